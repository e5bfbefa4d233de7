"""A model whose maps of train are far better than those of val has probably been trained on train."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.special import expit

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation.map_checks.check import check_maps
from prn_pipeline.segmentation.map_files import MapFiles
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.training.tiling import Tiles

SIDE = 48
WARNING = "maps of train fit the true masks far better than those of val: mean IoU "


def run(
    folder: Path, errors: np.ndarray, splits: list[str], groups: list[int] | None = None, **settings: object
) -> None:
    """Compare maps with the truth; `errors` is the amplitude of the noise in the logits of each map."""
    rng = np.random.default_rng(0)
    count = len(splits)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    for mask in masks:
        top, left = rng.integers(2, 20, 2)
        mask[top : top + 20, left : left + 24] = 1
    noise = ndimage.gaussian_filter(rng.normal(0, 1, masks.shape), (0, 3, 3))
    logits = 8.0 * masks - 4 + errors[:, None, None] * noise / noise.std()
    manifest = pd.DataFrame({"sample_id": [f"s{i:03d}" for i in range(count)], "split": splits, "fold": 0})
    manifest["native_height"] = manifest["native_width"] = SIDE
    manifest["group"] = range(count) if groups is None else groups
    manifest.attrs[IDENTITY] = "x"
    write_arrays(
        folder / "s.zarr",
        ArrayStream([{"images": np.zeros((*masks.shape, 3), np.uint8), "masks": masks}], {IDENTITY: "x"}),
    )
    (folder / "set/maps").mkdir(parents=True)
    for name, one in zip(manifest["sample_id"], logits, strict=True):
        np.save(folder / f"set/maps/{name}.npy", expit(one).astype(np.float32))
    samples = Samples(manifest, {"samples": ArrayStore(folder / "s.zarr")})
    source, place = (
        MapFiles(MapFilesSettings.model_validate({"kind": "maps", **settings})),
        DatasetPlace("set", None, folder),
    )
    cache = source.map_cache(samples, manifest, CacheRequest("holdout", {}, 1, (), Tiles(), place))
    check_maps(source, cache, samples, place)


SPLITS = ["train", "val"] * 20
OVERFITTED = np.where(np.array(SPLITS) == "train", 1.0, 5.0)


def test_maps_of_train_that_are_far_better_are_named_with_the_setting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, OVERFITTED, SPLITS)
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert WARNING in message
    assert "set `seen: [train]`" in message


@pytest.mark.parametrize(
    ("errors", "groups", "settings"),
    [
        (np.full(40, 4.0), None, {}),
        (6 - OVERFITTED, None, {}),  # val is easier
        (OVERFITTED, None, {"seen": ["train"]}),
        (OVERFITTED, None, {"check": "skip"}),
        (OVERFITTED, [i % 2 for i in range(40)], {}),  # one video each
        (np.where(OVERFITTED == 1, 3.6, 4.0), None, {}),  # splits differ a little
    ],
)
def test_other_maps_are_not_suspected(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    errors: np.ndarray,
    groups: list[int] | None,
    settings: dict[str, object],
) -> None:
    run(tmp_path, errors, SPLITS, groups, **settings)
    assert WARNING not in caplog.text


def test_a_split_without_train_or_val_is_not_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, OVERFITTED, ["test", "val"] * 20)
    assert WARNING not in caplog.text
