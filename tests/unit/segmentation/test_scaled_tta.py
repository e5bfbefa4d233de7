"""TTA over flips and scales against plain loops, and which scales a model supports."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation.few_shot import FewShotModel
from prn_pipeline.segmentation.network_source import NetworkSource, cached_maps
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace
from prn_pipeline.segmentation.scaled_tta import OtherScales, scaled_side, usable_scales
from prn_pipeline.segmentation.settings import BaseModelSettings, FewShotSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.training.tiling import Tiles

SIDE = 64
SCALES = (0.75, 1.25)
#: Sides at these scales.
SIDES = (32, 96)
PLACE = DatasetPlace("smooth", None, Path())
FLIPPED: list[list[int]] = [[], [3], [2], [2, 3]]


class Brightness(NetworkSource):
    """Dark is foreground, whatever the size; pixels know nothing of their neighbours."""

    def __init__(self, only: tuple[int, ...] = (), shrinks: bool = False) -> None:
        super().__init__()
        self.settings: Any = type("Seen", (), {"seen": ("train",), "classes": 1})()
        self.only, self.shrinks = only, shrinks
        self.weight = nn.Parameter(torch.tensor(0.05))

    def forward(self, images: Tensor) -> Tensor:
        if self.only and images.shape[-1] not in self.only:
            raise AssertionError(f"expected one of {self.only}, not {images.shape[-1]}")
        logits = self.weight * (120 - images.float().mean(1, keepdim=True))
        return logits[..., ::2, ::2] if self.shrinks and images.shape[-1] != SIDE else logits


def smp_model(classes: int = 1) -> BaseModel:
    torch.manual_seed(classes)
    options = {"decoder_channels": [16, 8, 8, 8, 8]}
    settings = BaseModelSettings(architecture="Unet", encoder="resnet18", options=options, classes=classes)
    return BaseModel(settings).eval()


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Four images of smooth colours; the second is a test image, the third one of val."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (4, 3, 4, 4)).astype(np.float32))
    images = F.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 255).byte().movedim(1, -1).numpy()
    splits = ["train", "test", "val", "train"]
    manifest = pd.DataFrame({"sample_id": list("abcd"), "split": splits, "fold": [0, -1, 0, 0]})
    manifest.attrs[IDENTITY] = "smooth"
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"images": images}], {IDENTITY: "smooth"}))
    return Samples(manifest, {"samples": ArrayStore(tmp_path / "s.zarr")})


def in_loops(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """The mean over three scales and four flips, (N,C,H,W)."""
    inputs = torch.from_numpy(images).movedim(-1, 1).float()
    passes = []
    for side in (*SIDES, SIDE):
        for axes in FLIPPED:
            resized = F.interpolate(inputs, size=(side, side), mode="bilinear", antialias=True).flip(axes)
            with torch.no_grad():
                logits = one_vs_rest(model(resized)).flip(axes)
            passes.append(F.interpolate(logits, size=(SIDE, SIDE), mode="bilinear", antialias=True))
    return torch.stack(passes).mean(0).numpy()


def cached(samples: Samples, model: nn.Module, **options: Any) -> dict[str, np.ndarray]:
    """All arrays of a cache, with the rows of train seen in training."""
    classes = options.pop("classes", 1)
    maps = samples.manifest.loc[samples.manifest.index.repeat(classes)].reset_index(drop=True)
    maps = maps.assign(model="base", seen_in_training=maps["split"] == "train")
    batches = list(cached_maps(samples, maps, {"base": model}, 2, ["tta"], **options))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


@pytest.mark.parametrize("classes", [1, 3])
def test_the_cache_holds_the_mean_over_flips_and_scales_of_images_that_the_model_has_not_seen(
    samples: Samples, classes: int
) -> None:
    model = smp_model(classes)
    arrays = cached(samples, model, classes=classes, tta_scales=SCALES)
    found = arrays["tta_scales"]
    assert found.shape == (4 * classes, SIDE, SIDE)
    assert found.dtype == np.float16
    by_image = found.reshape(4, classes, SIDE, SIDE)
    expected = in_loops(model, samples.array("images", np.arange(4)))
    np.testing.assert_allclose(by_image[[1, 2]].astype(np.float32), expected[[1, 2]], atol=0.02)  # of bfloat16
    assert np.abs(arrays["tta"][:, 0].reshape(by_image.shape) - expected)[[1, 2]].max() > 0.06, "scales matter"
    assert np.isnan(by_image[[0, 3]]).all(), "nothing is compared on images of train"


def test_other_arrays_are_the_same_to_the_last_bit_with_and_without_scales(samples: Samples) -> None:
    model = smp_model()
    without, scaled = cached(samples, model), cached(samples, model, tta_scales=SCALES)
    assert set(scaled) - set(without) == {"tta_scales"}
    for name, values in without.items():
        np.testing.assert_array_equal(values, scaled[name])


def test_images_in_tiles_have_the_mean_over_scales_of_their_tiles(samples: Samples) -> None:
    whole = cached(samples, Brightness(), tta_scales=SCALES)["tta_scales"][[1, 2]]
    tiled = cached(samples, Brightness(), tta_scales=SCALES, tiles=Tiles(size=64, overlap=32))["tta_scales"][[1, 2]]
    np.testing.assert_array_equal(whole, tiled)
    small = cached(_halved(samples), Brightness(), tta_scales=SCALES, tiles=Tiles(size=64, overlap=32))["tta_scales"]
    assert small.shape == (4, 2 * SIDE, 2 * SIDE)
    expected = F.interpolate(torch.from_numpy(whole)[:, None].float(), scale_factor=2, mode="bilinear")[:, 0]
    np.testing.assert_allclose(small[[1, 2]].astype(np.float32), expected, atol=0.5)


def _halved(samples: Samples) -> Samples:
    """The same images at twice the size."""
    folder = samples.store_of("images").path.parent / "large.zarr"
    images = torch.from_numpy(samples.array("images", np.arange(4))).movedim(-1, 1).float()
    large = F.interpolate(images, scale_factor=2, mode="bilinear").byte().movedim(1, -1).numpy()
    write_arrays(folder, ArrayStream([{"images": large}], {IDENTITY: "smooth"}))
    return Samples(samples.manifest, {"samples": ArrayStore(folder)})


def test_a_few_shot_model_gets_its_support_at_the_scale_of_the_query() -> None:
    model = FewShotModel(FewShotSettings(kind="few_shot", encoder="resnet18", width=16)).eval()
    generator = torch.Generator().manual_seed(0)
    query, support = (
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        for shape in ((2, 3, SIDE, SIDE), (2, 1, 3, SIDE, SIDE))
    )
    masks = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.uint8)
    masks[..., 16:40, 16:40] = 1
    assert usable_scales(model, (query[:1], support[:1], masks[:1]), SCALES) == SCALES
    expected = torch.zeros(2, 1, SIDE, SIDE)
    for side in SIDES:
        small, shown = (
            F.interpolate(one.float(), size=(side, side), mode="bilinear", antialias=True)
            for one in (query, support[:, 0])
        )
        with torch.no_grad():
            logits = sum(model(small.flip(axes), shown[:, None], masks).flip(axes) for axes in FLIPPED)
        expected += F.interpolate(logits, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    others = OtherScales(model, SCALES)
    with torch.no_grad():
        torch.testing.assert_close(others(query, support, masks), expected, atol=1e-4, rtol=1e-4)
    assert others.passes == 8


@given(st.integers(33, 2000), st.floats(0.25, 4).filter(lambda scale: abs(scale - 1) > 1e-6))
def test_a_scaled_side_is_the_nearest_multiple_of_32_on_its_side_of_the_original(side: int, scale: float) -> None:
    found = scaled_side(side, scale)
    allowed = [m for m in range(32, 9000, 32) if (m < side if scale < 1 else m > side)]
    assert found in allowed
    assert abs(found - scale * side) <= min(abs(m - scale * side) for m in allowed) + 1e-6


def test_scales_of_the_same_size_count_once_and_the_own_size_never() -> None:
    image = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    assert usable_scales(Brightness(), [image], [1.0, 0.75, 0.6, 1.25, 1.5]) == (0.75, 1.25)
    assert usable_scales(Brightness(), [image[..., :32, :32]], [0.5, 1.0]) == ()


def test_a_model_of_fixed_size_is_compared_without_the_scales_that_it_does_not_support(
    samples: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    model = Brightness(only=(SIDE, 32)).train()
    request = CacheRequest("holdout", {}, 2, ["tta"], Tiles(), PLACE, SCALES)
    with caplog.at_level(logging.WARNING):
        cache = model.map_cache(samples, samples.manifest, request)
    assert model.training, "as it was before"
    (message,) = caplog.messages
    assert "at 1.25 of their size (AssertionError: expected one of (64, 32), not 96)" in message
    assert "logit_caching.tta_scales=[0.75]" in message
    found = np.concatenate([batch["tta_scales"] for batch in cache.make(np.arange(4))])
    expected = cached(samples, Brightness(), tta_scales=(0.75,))["tta_scales"]
    np.testing.assert_array_equal(found, expected)


def test_a_model_that_returns_maps_of_another_size_is_compared_without_scales(
    samples: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    request = CacheRequest("holdout", {}, 2, ["tta"], Tiles(), PLACE, SCALES)
    cache = Brightness(shrinks=True).map_cache(samples, samples.manifest, request)
    assert "its maps are 16 x 16 pixels for an image of 32 x 32; its maps are 48 x 48" in caplog.text
    assert set(next(iter(cache.make(np.arange(4))))) == {"logits", "tta"}


def test_without_tta_in_keep_there_is_no_pass_at_another_scale(samples: Samples) -> None:
    model = Brightness(only=(SIDE,))
    request = CacheRequest("holdout", {}, 2, [], Tiles(), PLACE, SCALES)
    cache = model.map_cache(samples, samples.manifest, request)
    assert set(next(iter(cache.make(np.arange(4))))) == {"logits"}
