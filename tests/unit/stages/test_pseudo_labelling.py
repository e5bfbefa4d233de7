"""Pseudo-labels of the maps that a refiner may learn from, in the order of the manifest."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.logits import probabilities_of
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement.pseudo_labels.labels import patch_pseudo_labels
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches

ROWS, HEIGHT, WIDTH, PATCH = 70, 12, 20, 8


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Samples, pd.DataFrame]:
    """Seventy oblong maps, more than two shards; some of test images, some without a map."""
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (ROWS, HEIGHT, WIDTH)).astype(np.float16)
    masks = draw.choice([0, 1, IGNORE], (ROWS, HEIGHT, WIDTH), p=[0.6, 0.3, 0.1]).astype(np.uint8)
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"logits": logits, "masks": masks}]))
    numbers = np.arange(ROWS)
    manifest = pd.DataFrame(
        {
            "sample_id": numbers.astype(str),
            "split": np.where(numbers % 5 == 4, "test", "val"),
            "model": np.where(numbers % 7 == 3, NO_MAP, "base"),
        }
    )
    manifest.loc[32:63, "split"] = "test"  # a whole shard without labels
    return Samples(manifest, {"samples": ArrayStore(tmp_path / "s.zarr")}), manifest


@pytest.mark.parametrize("levels", [None, 10])
@pytest.mark.parametrize("wanted", [None, [1, 3, 4, 6, 65, 69]])
def test_every_row_gets_the_labels_of_its_own_map_or_none(
    maps: tuple[Samples, pd.DataFrame], levels: int | None, wanted: list[int] | None
) -> None:
    samples, manifest = maps
    rows = None if wanted is None else np.array(wanted)
    batches = list(pseudo_label_batches(samples, manifest, PATCH, levels, rows))
    assert [list(batch) for batch in batches] == [["labels", "thresholds", "iou"]] * len(batches)
    labels, thresholds, iou = (np.concatenate([batch[name] for batch in batches]) for name in batches[0])
    assert [array.dtype for array in (labels, thresholds, iou)] == [np.uint8, np.float32, np.float32]
    chosen = list(range(ROWS)) if wanted is None else wanted
    assert labels.shape == (len(chosen), HEIGHT, WIDTH)
    assert thresholds.shape == iou.shape == (len(chosen), 2, 3), "patches at the border are smaller"
    labelled = (manifest["split"] != "test") & (manifest["model"] != NO_MAP)
    assert 0 < labelled.iloc[chosen].sum() < len(chosen)
    for place, row in enumerate(chosen):
        if labelled[row]:
            probabilities = probabilities_of(samples.array("logits", [row]))
            alone = patch_pseudo_labels(probabilities, samples.array("masks", [row]), PATCH, levels)
            np.testing.assert_array_equal(labels[place], alone.labels[0])
            np.testing.assert_array_equal(thresholds[place], alone.thresholds[0].astype(np.float32))
            np.testing.assert_array_equal(iou[place], alone.iou[0].astype(np.float32))
        else:
            assert (labels[place] == IGNORE).all()
            assert np.isnan(thresholds[place]).all()
            assert np.isnan(iou[place]).all()


def test_no_map_is_read_that_gets_no_label(maps: tuple[Samples, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    samples, manifest = maps
    read: list[int] = []
    array = Samples.array

    def recorded(self: Samples, name: str, rows: np.ndarray) -> np.ndarray:
        if name == "logits":
            read.extend(rows)
        return array(self, name, rows)

    monkeypatch.setattr(Samples, "array", recorded)
    list(pseudo_label_batches(samples, manifest, PATCH, 10))
    assert read == manifest.index[(manifest["split"] != "test") & (manifest["model"] != NO_MAP)].tolist()
