"""Checkpoints with released names: reading, writing, and an error that lists names and shapes that do not match."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import PatchRefineNet, load_published, to_published


@pytest.fixture
def model() -> PatchRefineNet:
    torch.manual_seed(0)
    return PatchRefineNet(width=4, grid=8, upstream_bug=True).eval()


def assert_equal_models(found: PatchRefineNet, expected: PatchRefineNet) -> None:
    assert found.settings == expected.settings
    weights = expected.state_dict()
    assert found.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in found.state_dict().items())


@pytest.mark.parametrize("name", ["p0", "p64"])
def test_published_names_equal_the_released_ones(reference_root: Path, name: str) -> None:
    path = reference_root / f"{name}.safetensors"
    released, ours = load_file(path), to_published(load_published(path))
    assert ours.keys() == released.keys()
    assert all(torch.equal(ours[key], released[key]) for key in released)


def test_a_safetensors_file_is_read_in_eval_mode(model: PatchRefineNet, tmp_path: Path) -> None:
    save_file(to_published(model), tmp_path / "prn.safetensors")
    loaded = load_published(tmp_path / "prn.safetensors")
    assert not loaded.training
    assert_equal_models(loaded, model)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_pytorch_file_is_read_plain_nested_or_from_data_parallel(
    model: PatchRefineNet, tmp_path: Path, nested: bool, prefix: str
) -> None:
    state = {prefix + name: value for name, value in to_published(model).items()}
    torch.save({"state_dict": state, "epoch": 3} if nested else state, tmp_path / "prn.th")
    assert_equal_models(load_published(tmp_path / "prn.th"), model)


def test_the_grid_of_the_released_p4_is_an_argument(model: PatchRefineNet, tmp_path: Path) -> None:
    save_file(to_published(model), tmp_path / "p4.safetensors")
    loaded = load_published(tmp_path / "p4.safetensors", grid=4)
    assert loaded.settings == model.settings | {"grid": 4, "upstream_bug": False}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_p4_is_known_by_the_names_of_its_heads(reference_root: Path, tmp_path: Path, prefix: str) -> None:
    p64 = load_file(reference_root / "p64.safetensors")
    released = {prefix + name.replace("out_", "conv_last_"): tensor for name, tensor in p64.items()}
    torch.save(released, tmp_path / "p4.th")
    loaded = load_published(tmp_path / "p4.th")
    assert loaded.settings["grid"] == 4
    assert not loaded.settings["upstream_bug"], "P64 alone has it"
    written = to_published(loaded)
    assert written.keys() == {name.removeprefix(prefix) for name in released}, "written back under the same names"
    assert all(torch.equal(tensor, released[prefix + name]) for name, tensor in written.items())
    save_file(p64, tmp_path / "p64.safetensors")
    maps = torch.rand(1, 1, 64, 64)
    explicit = load_published(tmp_path / "p64.safetensors", grid=4)
    assert all(torch.equal(a, b) for a, b in zip(loaded(maps), explicit(maps), strict=True))


def test_p4_of_our_own_survives_writing_and_reading(tmp_path: Path) -> None:
    model = PatchRefineNet(width=4, grid=4).eval()
    save_file(to_published(model), tmp_path / "p4.safetensors")
    assert "conv_last_local.0.weight" in to_published(model)
    assert_equal_models(load_published(tmp_path / "p4.safetensors"), model)


def test_heads_of_two_models_in_one_file_are_refused(model: PatchRefineNet, tmp_path: Path) -> None:
    state = to_published(model)
    torch.save(state | {"conv_last_global.0.bias": torch.zeros(1)}, tmp_path / "mixed.th")
    with pytest.raises(UserError, match=r"conv_last_global|out_global"):
        load_published(tmp_path / "mixed.th")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_p64_are_not_read_as_p0(model: PatchRefineNet, tmp_path: Path, prefix: str) -> None:
    save_file({prefix + name: value for name, value in to_published(model).items()}, tmp_path / "p64.safetensors")
    with pytest.raises(UserError, match=r"unexpected: decode1_local\..* and \d+ more"):
        load_published(tmp_path / "p64.safetensors", grid=0)


def test_tensors_of_the_training_beside_the_weights_are_left_out(model: PatchRefineNet, tmp_path: Path) -> None:
    state = {f"net.{name}": tensor for name, tensor in to_published(model).items()}
    torch.save({"state_dict": state | {"criterion.weight": torch.ones(1)}}, tmp_path / "prn.ckpt")
    assert_equal_models(load_published(tmp_path / "prn.ckpt"), model)


def test_an_error_lists_missing_and_unexpected_names_and_wrong_shapes(model: PatchRefineNet, tmp_path: Path) -> None:
    state = to_published(model)
    del state["encoding.psp.bottleneck.bias"]
    state["optimizer.lr"] = torch.zeros(1)
    state["out_local.0.bias"] = torch.zeros(2)
    torch.save(state, tmp_path / "other.th")
    with pytest.raises(UserError) as caught:
        load_published(tmp_path / "other.th")
    message = str(caught.value)
    assert "1 missing: encoding.psp.bottleneck.bias" in message
    assert "1 unexpected: optimizer.lr" in message
    assert "out_local.0.bias is (2,), expected (1,)" in message


def test_a_long_list_of_names_is_cut_and_counted(model: PatchRefineNet, tmp_path: Path) -> None:
    state = {name: value for name, value in to_published(model).items() if not name.startswith("decode3_global")}
    missing = sorted(name for name in set(to_published(model)) - set(state) if "num_batches" not in name)
    torch.save(state | {f"extra.{number:02d}": torch.zeros(1) for number in range(10)}, tmp_path / "other.th")
    with pytest.raises(UserError) as caught:
        load_published(tmp_path / "other.th")
    message = str(caught.value)
    assert f"{len(missing)} missing: {', '.join(missing[:10])} and {len(missing) - 10} more;" in message
    assert missing[10] not in message
    assert "10 unexpected: extra.00, " in message
    assert "extra.09. Use a checkpoint" in message, "ten names are listed in full"


def test_a_checkpoint_without_a_local_branch_is_rejected_for_a_grid(tmp_path: Path) -> None:
    save_file(to_published(PatchRefineNet(width=4, grid=0)), tmp_path / "p0.safetensors")
    with pytest.raises(UserError, match=r"missing: decode1_local\."):
        load_published(tmp_path / "p0.safetensors", grid=8)


def test_a_checkpoint_of_another_network_is_rejected(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.th")
    with pytest.raises(UserError, match=r"2 unexpected: bias, weight"):
        load_published(tmp_path / "linear.th")


class Bomb:
    exploded = False

    def __reduce__(self) -> tuple:
        return (setattr, (Bomb, "exploded", True))


def test_pickled_code_is_rejected_and_not_run(tmp_path: Path) -> None:
    torch.save({"weights": Bomb()}, tmp_path / "bomb.th")
    with pytest.raises(UserError, match=r"cannot be read as a checkpoint"):
        load_published(tmp_path / "bomb.th")
    assert not Bomb.exploded


@pytest.mark.parametrize("name", ["broken.th", "broken.safetensors"])
def test_a_damaged_file_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=rf"{name} cannot be read"):
        load_published(tmp_path / name)


def test_a_file_without_a_state_dict_is_rejected(tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "list.th")
    with pytest.raises(UserError, match=r"holds a list"):
        load_published(tmp_path / "list.th")


def test_the_error_for_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no checkpoint at .*nowhere\.th"):
        load_published(tmp_path / "nowhere.th")
