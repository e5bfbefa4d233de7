"""Large images in tiles: no seams, and no more memory than one tile needs."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.refinement.region_detail.model import RegionDetailNet
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.training.tiling import Tiled, Tiles

SMALL = Tiles(size=128, overlap=64)


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 2))
@settings(max_examples=25, deadline=None)
def test_tiles_change_nothing_if_the_receptive_field_is_within_a_quarter_of_the_overlap(h: int, w: int, n: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 9, padding=4), nn.ReLU(), nn.Conv2d(4, 1, 9, padding=4))
    images = torch.randn(n, 2, 32 * h, 32 * w)
    with torch.no_grad():
        assert torch.allclose(Tiled(network, SMALL)(images), network(images), atol=1e-5)


class Both(NamedTuple):
    fine: Tensor
    nothing: Tensor | None
    coarse: Tensor


class TwoScales(nn.Module):
    def forward(self, image: Tensor, coarse: Tensor) -> Both:
        assert image.shape[-1] <= SMALL.size
        return Both(image[:, :1] + F.interpolate(coarse, scale_factor=4), None, F.avg_pool2d(image, 4)[:, None])


def test_inputs_and_outputs_of_several_resolutions_keep_their_places() -> None:
    image, coarse = torch.randn(2, 3, 256, 416), torch.randn(2, 1, 64, 104)
    maps = Tiled(TwoScales(), SMALL)(image, coarse)
    assert isinstance(maps, Both)
    assert maps.nothing is None
    assert torch.allclose(maps.fine, image[:, :1] + F.interpolate(coarse, scale_factor=4), atol=1e-5)
    assert maps.coarse.shape == (2, 1, 3, 64, 104)
    assert torch.allclose(maps.coarse[:, 0], F.avg_pool2d(image, 4), atol=1e-5)


def test_an_image_that_fits_into_one_tile_is_not_cut() -> None:
    network = nn.Conv2d(3, 1, 3)  # without padding: a tile would have another size
    image = torch.randn(1, 3, 128, 96)
    assert torch.equal(Tiled(network, SMALL)(image), network(image))


def test_seams_of_a_refiner_are_small_compared_with_its_correction() -> None:
    """Its receptive field exceeds the overlap, so tiles differ from the whole: slightly, and at seams no more."""
    torch.manual_seed(0)
    network = RegionDetailNet(RegionDetailSettings(network="region_detail")).eval()
    for parameter in network.parameters():
        if not parameter.any():  # a layer that starts at zero would correct nothing
            nn.init.normal_(parameter, std=0.05)
    logits = F.interpolate(torch.randn(1, 1, 24, 32), scale_factor=16, mode="bicubic") * 3
    with torch.no_grad():
        whole, tiled = network(logits).final, Tiled(network, Tiles(size=256, overlap=128))(logits).final
    correction = (whole - logits).abs().mean()
    assert correction > 0.05
    assert (tiled - whole).abs().mean() < 0.02 * correction
    steps_of_whole, steps_of_tiled = (maps.diff(dim=-1).abs().amax() for maps in (whole, tiled))
    assert steps_of_tiled < 1.1 * steps_of_whole


@pytest.mark.parametrize(
    ("values", "message"), [({"size": 100}, "multiple of 32"), ({"size": 128, "overlap": 96}, "more than half of size")]
)
def test_invalid_tiles_are_rejected(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tiles.model_validate(values)
