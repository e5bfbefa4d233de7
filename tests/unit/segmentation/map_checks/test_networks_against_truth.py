"""The maps of networks, and those of several classes, are compared with the truth like those of files."""

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import ndimage
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.check import check_maps
from prn_pipeline.segmentation.map_files import MapFiles
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace
from prn_pipeline.segmentation.registry import build_base_model, read_base_settings
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.training.tiling import Tiles

HERE = "tests.unit.segmentation.map_checks.test_networks_against_truth"
PLACE = DatasetPlace("squares", None, Path())


class Brightness(nn.Module):
    """Logits of what is brighter than 120, which `bright_squares` shows; weights by `sign` and `shift`."""

    def __init__(
        self, sign: float = 1.0, shift: float = 0.0, mirrored: bool = False, channels: int = 1, shape: str = "line"
    ) -> None:
        super().__init__()
        self.shape = shape
        self.weight = nn.Parameter(torch.tensor(sign / 20))
        self.shift, self.mirrored, self.channels = shift, mirrored, channels

    def forward(self, images: Tensor) -> Tensor:
        if self.shape == "one size" and images.shape[-1] != 64:
            raise ValueError("only images of 64 pixels")
        logits = self.weight * (images.mean(1, keepdim=True) - 120) + self.shift
        if self.shape == "weak":  # noise hides much, and only pixels of its own range are taken
            assert not 0 < images.max() <= 1, "pixels from 0 to 255 are expected"
            noise = torch.sin(1e3 * images.sum(1, keepdim=True) + 7 * torch.arange(images.shape[-1]))
            logits = noise + 0.4 * torch.sign(logits)
            logits = logits.masked_fill(images.min() < 0, torch.nan) + 0 * self.weight
        logits = logits.flip(-1) if self.mirrored else logits
        if self.shape == "window":  # nothing but values near those of the squares is foreground
            logits = 4 - ((images.mean(1, keepdim=True) - 160) / 30) ** 2 + 0 * self.weight
        if self.shape == "logarithm":
            logits = nn.functional.logsigmoid(4 * logits)
        if self.channels == 3:  # a constant channel, noise, and the map
            noise = torch.sin(1e3 * images.sum(1, keepdim=True) + 7 * torch.arange(images.shape[-1]))
            return torch.cat([0 * logits, noise, logits], 1)
        return torch.cat([-logits, logits], 1)[:, : self.channels] if self.channels == 2 else logits


def run(samples: Samples, options: dict[str, Any], **settings: Any) -> None:
    normalisation = {"divide_by": 1, "mean": [0] * 3, "std": [1] * 3}
    block = {"kind": "module", "target": f"{HERE}:Brightness", "options": options, "normalisation": normalisation}
    source = build_base_model(read_base_settings(block | settings))
    images = Samples(samples.manifest, {"samples": samples.stores["samples"]})
    request = CacheRequest("holdout", {}, 4, ("tta",), Tiles(), PLACE)
    check_maps(source, source.map_cache(images, images.manifest, request), images, PLACE)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {}),
        ({"channels": 2}, {}),
        ({"sign": -1}, {"foreground": 0}),
        ({"channels": 2, "sign": -1}, {"foreground": 0}),
    ],
)
def test_maps_of_an_honest_module_pass_without_a_word(
    bright_squares: Samples, options: dict[str, Any], settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run(bright_squares, options, **settings)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ({"sign": -1}, {}, "base model's maps of 16 images fit .* far better if read as 1 - p.*Set `foreground: 0`"),
        ({"sign": -1, "channels": 2}, {}, "Set `foreground: 0`"),
        ({}, {"foreground": 0}, "Set `foreground: 1`"),
        ({"mirrored": True}, {}, "flipped left to right.*Correct the model or its settings"),
        ({"sign": 0, "shift": -3}, {}, "predict nothing anywhere .* say nothing about the true masks"),
    ],
)
def test_maps_of_a_module_that_mean_another_thing_are_refused(
    bright_squares: Samples, options: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(bright_squares, options, **settings)


def test_pixels_of_another_range_are_found(bright_squares: Samples, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        UserError, match=r"compared on 8, .*far better if read with `normalisation: .*Set `normalisation: (.*)`\."
    ) as caught:
        run(bright_squares, {"shape": "window"}, normalisation={"divide_by": 255, "mean": [0] * 3, "std": [1] * 3})
    named = re.search(r"Set `(normalisation: .*?)`\.", str(caught.value))
    assert named is not None
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run(bright_squares, {"shape": "window"}, **yaml.safe_load(named[1]))
    assert not caplog.messages


def test_a_module_that_takes_images_of_one_size_only_is_compared(bright_squares: Samples) -> None:
    assert bright_squares.store_of("images").shape("images")[1] == 64
    with pytest.raises(UserError, match="Set `foreground: 0`"):
        run(bright_squares, {"shape": "one size", "sign": -1})


def test_ranges_that_a_module_was_not_made_for_do_not_stop_a_run(
    bright_squares: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="prn_pipeline.segmentation.map_checks.other_inputs"):
        run(bright_squares, {"shape": "weak"})
    tried = [message for message in caplog.messages if "was not tried" in message]
    assert any("pixels from 0 to 255 are expected" in message for message in tried)
    assert any("NaN" in message for message in tried)


def test_the_channel_of_three_that_fits_is_found(bright_squares: Samples, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match=r"compared on 8, .*Set `foreground: 2`"):
        run(bright_squares, {"channels": 3}, foreground=1)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run(bright_squares, {"channels": 3}, foreground=2)
    assert not caplog.messages


def test_logits_that_are_logarithms_of_probabilities_are_named(bright_squares: Samples) -> None:
    with pytest.raises(UserError, match=r"predict nothing anywhere.*return the probabilities.*`output: probabilities`"):
        run(bright_squares, {"shape": "logarithm"})


def test_a_model_that_is_trained_here_is_only_judged(bright_squares: Samples, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run(bright_squares, {"mirrored": True}, train=True)
        run(bright_squares, {"shift": -9}, train=True)
        run(bright_squares, {"sign": 0, "shift": -3}, train=True)
    assert len(caplog.messages) == 2
    assert "predict nothing anywhere" in caplog.messages[0]
    assert "say nothing about the true masks" in caplog.messages[1]


def write_classes(folder: Path, order: list[int]) -> Samples:
    """Twelve images of four classes, and maps (classes, 48, 48) in this order of channels."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 4, (12, 4, 4)).repeat(12, 1).repeat(12, 2).astype(np.uint8)
    masks[:, :6] = 0
    names = [f"street-{number:02d}" for number in range(12)]
    manifest = pd.DataFrame({"sample_id": names, "split": "val", "fold": 0, "native_height": 48, "native_width": 48})
    manifest.attrs[IDENTITY] = "streets"
    arrays = {"images": np.zeros((12, 48, 48, 3), np.uint8), "masks": masks}
    write_arrays(folder / "samples.zarr", ArrayStream([arrays], {IDENTITY: "streets", CLASSES: 4}))
    (folder / "streets" / "maps").mkdir(parents=True)
    for name, mask in zip(names, masks, strict=True):
        logits = 4.0 * (mask == np.arange(4)[:, None, None]) + ndimage.gaussian_filter(rng.normal(0, 4, (4, 48, 48)), 1)
        np.save(folder / "streets" / "maps" / f"{name}.npy", logits[order])
    return Samples(manifest, {"samples": ArrayStore(folder / "samples.zarr")})


def run_classes(samples: Samples, folder: Path, **settings: Any) -> None:
    block = {"kind": "maps", "values": "logits", "classes": 4, "seen": [], **settings}
    source = MapFiles(MapFilesSettings.model_validate(block))
    place = DatasetPlace("streets", None, folder)
    maps = map_samples(samples.manifest, samples.stores).manifest
    cache = source.map_cache(samples, maps, CacheRequest("holdout", {}, 4, (), Tiles(), place))
    check_maps(source, cache, samples, place)


def test_channels_in_another_order_than_the_classes_are_refused_with_their_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = write_classes(tmp_path, [1, 2, 3, 0])
    with pytest.raises(
        UserError, match=r"far better if read with the channels .* Set `class_channels: \[3, 0, 1, 2\]`"
    ):
        run_classes(samples, tmp_path)
    with caplog.at_level(logging.WARNING):
        run_classes(samples, tmp_path, class_channels=[3, 0, 1, 2])
    assert not caplog.messages


def test_maps_of_classes_in_order_pass_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = write_classes(tmp_path, [0, 1, 2, 3])
    with caplog.at_level(logging.WARNING):
        run_classes(samples, tmp_path)
    assert not caplog.messages


def test_images_without_foreground_cannot_be_compared(
    bright_squares: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    empty = bright_squares.manifest.assign(foreground=0.0)
    empty.attrs = bright_squares.manifest.attrs
    with caplog.at_level(logging.WARNING):
        run(Samples(empty, bright_squares.stores), {"sign": -1})
    assert "not compared with the truth: no image with a map has foreground" in caplog.messages[0]
