"""The network agrees with the reference, runs at any size, and with `residual` starts as the base model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import PatchRefineNet, load_published


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """One torch thread except for networks of the published widths: threads slow small layers down."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if "reference_root" in request.fixturenames else 1)
    yield
    torch.set_num_threads(before)


def small(**settings) -> PatchRefineNet:
    torch.manual_seed(0)
    return PatchRefineNet(**{"width": 4, "grid": 2, **settings}).eval()


def assert_same(found: tuple[Tensor | None, ...], expected: tuple[Tensor | None, ...], atol: float) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            torch.testing.assert_close(a.float(), b.float(), atol=atol, rtol=0)


@pytest.mark.parametrize("name", ["p0", "p64"])
def test_outputs_equal_the_reference(reference_root: Path, name: str) -> None:
    reference = np.load(reference_root / f"{name}.npz")
    model = load_published(reference_root / f"{name}.safetensors")
    with torch.no_grad():
        refined = model(torch.from_numpy(reference["probabilities"]).float())
    branches = {
        branch: logits for branch, logits in zip(("global", "local"), refined, strict=True) if logits is not None
    }
    assert list(branches) == (["global"] if name == "p0" else ["global", "local"])
    for branch, logits in branches.items():
        assert np.abs(torch.sigmoid(logits).numpy() - reference[branch]).max() < 1e-4


@pytest.mark.parametrize(("settings", "parameters"), [({"grid": 0}, 3_044_922), ({"grid": 8}, 3_887_156)])
def test_default_widths_have_the_published_number_of_parameters(settings: dict, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in PatchRefineNet(**settings).parameters()) == parameters


@pytest.mark.parametrize("grid", [0, 1, 2, 4, 8, 16])
@pytest.mark.parametrize(("height", "width"), [(128, 256), (37, 51), (1, 3)])
def test_every_grid_accepts_maps_of_every_size(grid: int, height: int, width: int) -> None:
    with torch.no_grad():
        refined = small(width=3, grid=grid)(torch.rand(1, 1, height, width))
    assert refined.global_logits.shape == (1, 1, height, width)
    assert (refined.local_logits is None) == (grid == 0)
    if refined.local_logits is not None:
        assert refined.local_logits.shape == (1, 1, height, width)


@pytest.mark.parametrize("width", [4, 16, 24, 32])
@pytest.mark.parametrize("padded", [0, 3])
def test_every_width_accepts_an_image_in_addition_to_the_map(width: int, padded: int) -> None:
    model = small(width=width, in_channels=4)
    side = model.multiple + padded
    with torch.no_grad():
        refined = model(torch.rand(2, 4, side, side))
    assert [logits.shape for logits in refined] == 2 * [(2, 1, side, side)]
    assert torch.isfinite(torch.stack(refined)).all()


def test_the_outputs_depend_on_the_channels_after_the_map() -> None:
    model, maps = small(in_channels=4), torch.rand(1, 4, 32, 32)
    other = torch.cat([maps[:, :1], torch.rand(1, 3, 32, 32)], dim=1)
    with torch.no_grad():
        assert not torch.allclose(model(maps).global_logits, model(other).global_logits)


def test_padding_repeats_the_last_row_and_column() -> None:
    model, maps = small(), torch.rand(2, 1, 20, 30)
    by_hand = torch.cat([maps, maps[:, :, -1:].expand(-1, -1, 12, -1)], dim=2)
    by_hand = torch.cat([by_hand, by_hand[..., -1:].expand(-1, -1, -1, 2)], dim=3)
    with torch.no_grad():
        assert_same(model(maps), tuple(logits[..., :20, :30] for logits in model(by_hand)), atol=0)


@pytest.mark.parametrize("grid", [0, 4])
@pytest.mark.parametrize("channels", [1, 4])
def test_an_untrained_residual_model_equals_the_base_model(grid: int, channels: int) -> None:
    maps = torch.rand(2, channels, 40, 40)
    maps[0, 0, 0, :4] = torch.tensor([0.0, 1.0, 0.5, 0.50049])
    refined = small(grid=grid, in_channels=channels, residual=True).train()(maps)
    branches = [logits for logits in refined if logits is not None]
    assert len(branches) == (2 if grid else 1)
    for logits in branches:
        assert torch.equal(logits > 0, maps[:, :1] > 0.5)
        clamped = maps[:, :1].clamp(1e-4, 1 - 1e-4)
        torch.testing.assert_close(torch.sigmoid(logits), clamped, atol=1e-6, rtol=0)


def test_bfloat16_autocast_stays_close_and_keeps_the_base_logit_in_full_precision() -> None:
    model, maps = small(), torch.rand(1, 1, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(maps)
        base = small(residual=True)(maps)
    with torch.no_grad():
        assert_same(half, model(maps), atol=0.05)
    assert base.global_logits.dtype == torch.float32
    assert torch.equal(base.global_logits > 0, maps > 0.5)


def test_channels_last_gives_the_same_outputs() -> None:
    model, maps = small(grid=4), torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = model(maps)
        fast = model.to(memory_format=torch.channels_last)
        assert_same(fast(maps.contiguous(memory_format=torch.channels_last)), expected, atol=1e-5)


def test_settings_rebuild_the_model() -> None:
    model = PatchRefineNet(width=5, grid=8, in_channels=2, residual=True, head_kernel=1, upstream_bug=True)
    twin = PatchRefineNet(**model.settings)
    twin.load_state_dict(model.state_dict())
    assert twin.settings == model.settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grid": 3}, r"grid=3 is not one of"),
        ({"width": 0}, r"width=0"),
        ({"in_channels": 0}, r"in_channels=0"),
        ({"head_kernel": 5}, r"head_kernel=5"),
        ({"grid": 4, "upstream_bug": True}, r"upstream_bug=True requires grid=8"),
    ],
)
def test_settings_out_of_range_are_rejected(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PatchRefineNet(**settings)


@pytest.mark.parametrize("shape", [(1, 2, 32, 32), (32, 32)])
def test_maps_of_another_shape_are_rejected(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"expects \(N, 1, H, W\)"):
        small()(torch.rand(shape))


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_a_residual_network_with_shrink_starts_as_the_base_model_at_full_resolution(shrink: int) -> None:
    maps = torch.rand(2, 1, 64, 96)
    refined = PatchRefineNet(width=4, grid=2, residual=True, shrink=shrink).eval()(maps)
    assert [logits is not None and logits.shape for logits in refined] == 2 * [maps.shape]
    for logits in refined:
        assert torch.equal(logits > 0, maps > 0.5)


def test_a_network_with_shrink_can_change_single_pixels() -> None:
    network = PatchRefineNet(width=4, grid=2, shrink=2, shared_norm=False)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    checkers = torch.zeros(2, 1, 32, 32)
    checkers[..., ::2, 1::2] = 1
    maps = torch.full_like(checkers, 0.4) + 0.2 * checkers
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(maps).global_logits, checkers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_training_and_eval_mode_agree_with_one_batch_norm_per_pass_and_not_with_a_shared_one() -> None:
    torch.manual_seed(0)
    maps = torch.rand(4, 1, 64, 64)

    def difference(shared_norm: bool) -> float:
        network = PatchRefineNet(width=8, grid=0, shared_norm=shared_norm)
        with torch.no_grad():
            for _ in range(100):  # lets the running statistics settle
                trained = network(maps).global_logits
            return float((network.eval()(maps).global_logits - trained).abs().mean() / trained.std())

    assert difference(shared_norm=False) < 0.5
    assert difference(shared_norm=True) > 0.8


def test_an_unknown_shrink_is_rejected() -> None:
    with pytest.raises(UserError, match="shrink=3"):
        PatchRefineNet(shrink=3)
