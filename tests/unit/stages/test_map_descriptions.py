"""The reference of drift checks: statistics of the maps that a refiner learned from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.descriptions import Descriptions, describe
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.refinement.registry import build_refiner
from prn_pipeline.stages.evaluation import map_descriptions
from prn_pipeline.stages.evaluation.map_descriptions import described_maps, reference_rows
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles
from tests.unit.stages.class_samples import SIDE, C, class_samples

TILES = Tiles(size=64, overlap=32)


def of_maps(samples: Samples, seen: bool = False) -> pd.DataFrame:
    return samples.manifest.assign(seen_in_training=seen, model="base")


@pytest.mark.parametrize(
    ("images", "expected"), [(100, [0, 1, 2, 3]), (4, [0, 1, 2, 3]), (3, [0, 1, 3]), (2, [0, 3]), (1, [0])]
)
def test_the_reference_has_evenly_spaced_images_with_all_their_maps(
    tmp_path: Path, images: int, expected: list[int]
) -> None:
    samples = class_samples(tmp_path)
    rows = reference_rows(samples, of_maps(samples), images)
    assert rows.dtype == np.int64
    assert rows.tolist() == [C * image + number for image in expected for number in range(C)]


def test_test_images_and_images_that_the_model_has_seen_are_no_reference(bright_squares: Samples) -> None:
    maps = bright_squares.manifest.assign(seen_in_training=bright_squares.manifest["split"] == "train", model="base")
    assert reference_rows(bright_squares, maps, 100).tolist() == bright_squares.rows(["val"]).tolist()


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_stored_maps_are_described_as_those_of_a_predictor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    samples = class_samples(tmp_path)
    refiner = build_refiner(
        RegionDetailSettings(network="region_detail", members=2, detail_width=4, detail_levels=2, region_width=4)
    ).eval()
    calls = []

    def recorded(*arguments: object) -> object:
        calls.append(arguments)
        return predict_logits(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(map_descriptions, "predict_logits", recorded)
    rows = samples.rows(["val"])
    batches = list(described_maps(samples, rows, refiner, batch_size, TILES))
    assert [call[4:] for call in calls] == [(batch_size, TILES)]
    assert [list(batch) for batch in batches] == [list(Descriptions._fields)] * len(batches)
    base = samples.array("logits", rows).reshape(-1, C, SIDE, SIDE)
    refined = np.concatenate(list(predict_logits(refiner, samples, rows, refiner.arrays, 100, TILES)))
    images = samples.array("images", rows[::C])
    expected = describe(images, base, refined.reshape(base.shape))._asdict()
    for name, values in expected.items():
        found = np.concatenate([batch[name] for batch in batches])
        assert found.shape == values.shape
        np.testing.assert_allclose(found, values, atol=2e-3, err_msg=name)
