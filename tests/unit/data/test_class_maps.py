"""Samples of several classes are read as binary samples, one per class."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.masks import class_ids
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, ClassMaps, map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError

RNG = np.random.default_rng(0)
MASKS = RNG.choice([0, 1, 2, 255], (5, 8, 8)).astype(np.uint8)
IMAGES = RNG.integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
LOGITS = RNG.normal(size=(15, 8, 8)).astype(np.float16)


@pytest.fixture
def maps(tmp_path: Path) -> Samples:
    manifest = pd.DataFrame({"sample_id": list("abcde"), "split": ["train", "val", "test", "val", "test"]})
    manifest.attrs[IDENTITY] = "five"
    attributes = {IDENTITY: "five", CLASSES: 3}
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"images": IMAGES, "masks": MASKS}], attributes))
    write_arrays(tmp_path / "l.zarr", ArrayStream([{"logits": LOGITS}], {IDENTITY: "five"}))
    stores = {"samples": ArrayStore(tmp_path / "s.zarr"), "logits": ArrayStore(tmp_path / "l.zarr")}
    return map_samples(manifest, stores)


def test_a_row_is_one_class_of_one_sample(maps: Samples) -> None:
    assert isinstance(maps, ClassMaps)
    assert maps.maps_per_image == 3
    assert maps.manifest["sample_id"].tolist() == [name for name in "abcde" for _ in range(3)]
    assert maps.manifest["class_id"].tolist() == [0, 1, 2] * 5
    assert maps.rows(["val"]).tolist() == [3, 4, 5, 9, 10, 11]
    rows = np.array([4, 0, 14, 4])
    assert (maps.array("logits", rows) == LOGITS[rows]).all()
    assert (maps.array("images", rows) == IMAGES[[1, 0, 4, 1]]).all()
    for row, mask in zip(rows, maps.array("masks", rows), strict=True):
        of_sample = MASKS[row // 3]
        assert ((mask == 1) == (of_sample == row % 3)).all()
        assert ((mask == 255) == (of_sample == 255)).all()


def test_maps_of_an_image_stay_in_one_shard(maps: Samples) -> None:
    lengths = [len(logits) for (logits,) in maps.batches(["logits"], np.arange(15))]
    assert sum(lengths) == 15
    assert all(length % 3 == 0 for length in lengths)


def test_class_ids_are_kept_and_unknown_ones_named() -> None:
    values = np.array([[0, 2, 11]])
    rule = MaskSettings(ignore_values=(11,))
    assert class_ids(values, 3, rule).tolist() == [[0, 2, 255]]
    with pytest.raises(UserError, match="values 2, 11 beside class ids 0 to 1"):
        class_ids(values, 2, MaskSettings())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "multiclass"}, "go together"),
        ({"classes": ("a", "b")}, "go together"),
        ({"task": "multiclass", "classes": ("a", "a")}, "two different names"),
        ({"task": "multiclass", "classes": ("a",)}, "two different names"),
        ({"task": "multiclass", "classes": ("a", "b"), "mask": {"threshold": 3}}, "remove `mask.threshold`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DatasetSettings.model_validate(changes)
