"""Weights are found in checkpoints of other frameworks by the names of the network, or refused with the reason."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.torch_module import ImportedModel
from prn_pipeline.segmentation.weights import load_weights

State = dict[str, Tensor]


class Net(nn.Module):
    """A backbone and a head, as networks of every framework have them."""

    def __init__(self, depth: int = 2) -> None:
        super().__init__()
        blocks = (nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)) for _ in range(depth))
        self.backbone = nn.Sequential(*blocks)
        self.decode_head = nn.Conv2d(3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.decode_head(self.backbone(images))


class Wrapper(nn.Module):
    """Adds a prefix to every name."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Net()


def trained(seed: int = 1) -> State:
    torch.manual_seed(seed)
    network = Net()
    return {name: torch.rand_like(tensor.float()).to(tensor.dtype) for name, tensor in network.state_dict().items()}


WEIGHTS, OTHERS = trained(), trained(2)


def named(prefix: str, weights: State = WEIGHTS) -> State:
    return {prefix + name: tensor for name, tensor in weights.items()}


def inserted(part: str, *, before: str) -> State:
    return {name.replace(before, part + before, 1): tensor for name, tensor in WEIGHTS.items()}


EXTRA = {"criterion.weight": torch.ones(2), "loss.pos_weight": torch.ones(1), "train_iou.tp": torch.zeros(1).long()}
FORMS: dict[str, Any] = {
    "plain": WEIGHTS,
    "data parallel": named("module."),
    "compiled": named("_orig_mod."),
    "compiled data parallel": named("module._orig_mod."),
    "only the backbone compiled": inserted("_orig_mod.", before="0.0."),
    "Lightning": {
        "state_dict": named("model.") | EXTRA,
        "epoch": 3,
        "hyper_parameters": {"lr": 1e-3},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
    },
    "Lightning, net": {"state_dict": named("net.") | EXTRA},
    "Lightning, a wrapper in a wrapper": {"state_dict": named("model.segmenter.module.") | EXTRA},
    "Lightning, compiled": {"state_dict": named("model._orig_mod.") | EXTRA},
    "Lightning without a prefix": {"state_dict": WEIGHTS | EXTRA},
    "Lightning with parsed arguments": {
        "state_dict": named("model."),
        "hyper_parameters": {"args": argparse.Namespace(root=PosixPath("/data"), best=np.float64(0.5))},
        "callbacks": {"scores": np.zeros(3), "step": np.int64(4)},
    },
    "MMSegmentation": {
        "meta": {"epoch": 3, "mmseg_version": "1.2.2"},
        "state_dict": WEIGHTS
        | {"auxiliary_head.conv_seg.weight": torch.ones(2), "data_preprocessor.mean": torch.ones(3)},
    },
    "timm": {"arch": "net", "state_dict": named("module."), "args": argparse.Namespace(lr=1)},
    "an average beside the weights": {"state_dict": WEIGHTS, "state_dict_ema": OTHERS},
    "an average below a prefix": {"state_dict": named("model.") | named("ema_model.", OTHERS)},
    "an average alone": {"model_ema": named("module."), "epoch": 1},
    "torch's averaged model": named("module.") | {"n_averaged": torch.tensor(3)},
    "DeepSpeed": {"module": WEIGHTS, "global_steps": 3},
    "parts in entries of their own": {
        part: {n.removeprefix(f"{part}."): tensor for n, tensor in WEIGHTS.items() if n.startswith(part)}
        for part in ("backbone", "decode_head")
    },
    "counted by thop": WEIGHTS | {f"{part}.total_ops": torch.zeros(1) for part in ("backbone", "backbone.0")},
    "an old version without counters": {k: v for k, v in WEIGHTS.items() if not k.endswith("num_batches_tracked")},
    "half precision": {k: v.half() if v.is_floating_point() else v for k, v in WEIGHTS.items()},
    "the same weights twice": {"state_dict": named("model.") | named("best.")},
}


def loaded(file: Path, network: nn.Module, ignored: tuple[str, ...] = ()) -> State:
    load_weights(network, str(file), None, ignored)
    return network.state_dict()


@pytest.mark.parametrize("form", FORMS)
def test_the_weights_are_found(tmp_path: Path, form: str) -> None:
    torch.save(FORMS[form], tmp_path / "w.ckpt")
    found = loaded(tmp_path / "w.ckpt", Net())
    compared = [name for name in WEIGHTS if not name.endswith("num_batches_tracked")]
    assert len(compared) == 14
    assert all(torch.allclose(found[name], WEIGHTS[name], atol=1e-3) for name in compared)


@pytest.mark.parametrize("prefix", ["", "model.", "model.module."])
def test_safetensors_have_prefixes_too(tmp_path: Path, prefix: str) -> None:
    save_file(named(prefix), tmp_path / "w.safetensors")
    assert torch.equal(loaded(tmp_path / "w.safetensors", Net())["decode_head.weight"], WEIGHTS["decode_head.weight"])


def test_weights_of_the_wrapped_network_fit_its_wrapper(tmp_path: Path) -> None:
    for prefix in ("", "model.", "module.model."):
        torch.save(named(prefix), tmp_path / "w.pt")
        found = loaded(tmp_path / "w.pt", Wrapper())
        assert torch.equal(found["model.decode_head.weight"], WEIGHTS["decode_head.weight"])


def test_tensors_without_a_place_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    extra = {f"loss.table{number}": torch.ones(1) for number in range(12)}
    torch.save({"state_dict": named("model.") | extra}, tmp_path / "w.ckpt")
    with caplog.at_level(logging.WARNING):
        loaded(tmp_path / "w.ckpt", Net())
    assert len(caplog.records) == 1
    assert "12 tensors have no place in the network: loss.table0, " in caplog.text
    assert "loss.table9 and 2 more" in caplog.text


def test_a_file_of_nothing_but_the_weights_is_loaded_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save(WEIGHTS, tmp_path / "w.pt")
    with caplog.at_level(logging.INFO):
        loaded(tmp_path / "w.pt", Net())
    assert not caplog.records


@pytest.mark.parametrize(
    ("stored", "prefix", "ignored"),
    [
        ({"state_dict": named("model.") | named("ema.", OTHERS)}, "state_dict.ema.", "state_dict.model.*"),
        (WEIGHTS | named("ema.", OTHERS), "ema.", "backbone.*', 'decode_head.*"),
    ],
)
def test_an_average_is_named_and_can_be_chosen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stored: Any, prefix: str, ignored: str
) -> None:
    torch.save(stored, tmp_path / "w.ckpt")
    with caplog.at_level(logging.WARNING):
        loaded(tmp_path / "w.ckpt", Net())
    assert f"other values below '{prefix}'; to use those, ignore_weights: ['{ignored}']" in caplog.text
    assert len(caplog.records) == 1, "an average is not reported again as unused"
    found = loaded(tmp_path / "w.ckpt", Net(), tuple(ignored.split("', '")))
    assert torch.equal(found["decode_head.weight"], OTHERS["decode_head.weight"])


def without(name: str) -> State:
    return {key: tensor for key, tensor in WEIGHTS.items() if key != name}


def partly_prefixed() -> State:
    return {(f"module.{name}" if "backbone" in name else name): tensor for name, tensor in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (named("model.", without("decode_head.bias")), "1 missing: decode_head.bias. 'model.' stands before 15 of"),
        (partly_prefixed(), r"2 missing: decode_head.bias, .* 'module.' stands before 14 of these 16 names only"),
        (WEIGHTS | {"backbone.2.0.weight": torch.ones(3, 3, 1, 1)}, "1 unexpected: backbone.2.0.weight"),
        (WEIGHTS | {"decode_head.scale": torch.ones(1)}, "1 unexpected: decode_head.scale"),
        (WEIGHTS | {"decode_head.bias": torch.ones(2)}, r"decode_head.bias is \(2,\), expected \(1,\)"),
        (WEIGHTS | {"decode_head.bias": torch.ones(1, dtype=torch.int8)}, "decode_head.bias is torch.int8, expected"),
        (
            {"state_dict": named("student.") | named("teacher.", OTHERS)},
            "'state_dict.student.', 'state_dict.teacher.' fit",
        ),
        ({"a": WEIGHTS, "b": OTHERS}, "the names below 'a.', 'b.' fit alike, and the values differ"),
        ({"conv.weight": torch.ones(1)}, "14 missing: .* and 4 more; 1 unexpected: conv.weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_what_differs(tmp_path: Path, stored: Any, message: str) -> None:
    torch.save(stored, tmp_path / "w.ckpt")
    network = Net()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UserError, match=message):
        loaded(tmp_path / "w.ckpt", network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_deeper_network_is_not_read_into_a_shallower_one(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {f"model.{name}": tensor for name, tensor in Net(3).state_dict().items()}}, tmp_path / "w"
    )
    with pytest.raises(UserError, match=r"6 unexpected: state_dict.model.backbone.2.0.bias, .*`ignore_weights`"):
        loaded(tmp_path / "w", Net(2))
    loaded(tmp_path / "w", Net(2), ("*.backbone.2.*",))


class Bomb:
    exploded = False

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Any, ...]]:
        return (setattr, (Bomb, "exploded", True))


class Hyper:
    """An object of the program that wrote the checkpoint."""


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ({"state_dict": WEIGHTS, "hyper_parameters": Hyper()}, "test_foreign_weights.Hyper"),
        ({"state_dict": WEIGHTS, "callbacks": Bomb()}, "setattr"),
        (Net(), "test_foreign_weights.Net"),
    ],
)
def test_a_file_that_would_run_code_is_refused_with_the_command_to_export(
    tmp_path: Path, stored: Any, named: str
) -> None:
    torch.save(stored, tmp_path / "w.ckpt")
    with pytest.raises(UserError, match=rf"(?s)({named}) may run code.*python -c .*weights_only=False.*weights.pt"):
        loaded(tmp_path / "w.ckpt", Net())
    assert not Bomb.exploded


def test_the_command_to_export_gives_weights_that_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": named("model."), "hyper_parameters": Hyper()}, tmp_path / "w.ckpt")
    with pytest.raises(UserError) as refused:
        loaded(tmp_path / "w.ckpt", Net())
    exec(str(refused.value).split('python -c "')[1].split('"')[0])
    assert torch.equal(loaded(tmp_path / "weights.pt", Net())["decode_head.weight"], WEIGHTS["decode_head.weight"])


@pytest.mark.filterwarnings(
    "ignore:.*TorchScript archive", "ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning"
)
def test_a_scripted_module_is_refused_with_the_command_to_export(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 1, 1), torch.zeros(1, 3, 2, 2)), tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"TorchScript archive.*torch\.jit\.load"):
        loaded(tmp_path / "w.pt", Net())


def test_the_settings_name_what_to_ignore(tmp_path: Path) -> None:
    torch.save(named("student.") | named("teacher.", OTHERS), tmp_path / "w.pt")
    settings = ModuleSettings(
        kind="module", target=f"{__name__}:Net", weights=str(tmp_path / "w.pt"), ignore_weights=("student.*",)
    )
    found = ImportedModel(settings).network.state_dict()
    assert torch.equal(found["decode_head.bias"], OTHERS["decode_head.bias"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    state = Net().state_dict()
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    state[name].view(-1)[0] = value
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=rf"w.pt: {name} holds NaN or infinity, so maps would be NaN"):
        loaded(tmp_path / "w.pt", Net())
