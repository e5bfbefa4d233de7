"""Several classes, TTA and row ranges: results of many workers are those of one, and each class is counted apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import MapBatch, Tuned
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.confusion import confusion
from prn_pipeline.metrics.counts import COLUMNS, boundaries, boundary_width, count_image
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.refinement.registry import build_refiner
from prn_pipeline.stages.evaluation import map_pairs
from prn_pipeline.stages.evaluation.map_pairs import MapPair, stream_batches
from prn_pipeline.stages.evaluation.measuring import count_methods, measure, refined_maps
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles
from tests.unit.stages.class_samples import SIDE, C, ManyRanges, class_samples, refined_store

THRESHOLDS: dict[Any, Any] = {"base": [0.5, 0.4, 0.6], "tta": [0.3, 0.5, 0.7]}


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return class_samples(tmp_path)


@pytest.fixture
def refined(samples: Samples, tmp_path: Path) -> ArrayStore:
    return refined_store(samples, tmp_path)


def learning(samples: Samples) -> pd.DataFrame:
    return samples.manifest.assign(seen_in_training=False, model="base")


def best_iou(probabilities: np.ndarray, masks: np.ndarray) -> float:
    """By exhaustive search."""
    probabilities, truth = probabilities[masks != 255], masks[masks != 255] == 1
    ious = []
    for level in range(1000):
        predicted = probabilities > level / 1000
        ious.append((predicted & truth).sum() / max((predicted | truth).sum(), 1))
    return float(max(ious))


def iou_at(threshold: float, probabilities: np.ndarray, masks: np.ndarray) -> float:
    valid, predicted = masks != 255, probabilities > threshold
    return float((predicted & (masks == 1) & valid).sum() / ((predicted | (masks == 1)) & valid).sum())


@pytest.mark.parametrize("name", ["base", "tta"])
def test_each_class_gets_the_best_threshold_for_its_own_maps(samples: Samples, name: Any) -> None:
    found = tune(samples, learning(samples), 8).thresholds
    assert list(found) == ["base", "tta"]
    assert len(found[name]) == C
    for class_id in range(C):
        rows = samples.rows(["val"])[class_id::C]
        stored = samples.array("logits", rows) if name == "base" else samples.array("tta", rows)[:, 0]
        probabilities, masks = expit(stored.astype(np.float32)), samples.array("masks", rows)
        chosen = iou_at(found[name][class_id], probabilities, masks)
        assert chosen == pytest.approx(best_iou(probabilities, masks), abs=1e-9)


def test_many_workers_tune_the_thresholds_of_one(samples: Samples) -> None:
    engine = ManyRanges()
    assert tune(samples, learning(samples), 8, engine) == tune(samples, learning(samples), 8)
    assert engine.asked == [(len(samples.rows(["val"])), C)], "no image is torn between two workers"


def test_many_workers_measure_what_one_measures(samples: Samples, refined: ArrayStore) -> None:
    rows, engine = samples.rows(["test"]), ManyRanges()
    found = []
    for how in ({}, {"engine": engine}):
        metrics = task_metrics("multiclass", list("abc"))
        measured = measure(samples, refined, rows, Tuned(THRESHOLDS, 8), task_metrics=metrics, **how)
        found.append((measured, metrics[0].scores(50, 0)))
    pd.testing.assert_frame_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert engine.asked == [(len(rows), C)]


def test_measurements_name_image_group_class_and_row_of_every_count(samples: Samples, refined: ArrayStore) -> None:
    rows = samples.rows(["test"])
    measured = measure(samples, refined, rows, Tuned(THRESHOLDS, 8))
    base, masks = samples.array("logits", rows).astype(np.float32), samples.array("masks", rows)
    after = refined.read("logits", slice(None)).astype(np.float32)
    tta = samples.array("tta", rows)[:, 0].astype(np.float32)
    predicted = table.predictions(MapBatch(base, after, masks, tta), Tuned(THRESHOLDS, 8), C)
    assert {"base", "refined", "tta", "tuned_threshold", "tta_tuned"} <= set(predicted)
    columns = [*samples.manifest.columns.intersection(["sample_id", "group", "class_id"])]
    assert list(measured) == [*columns, "row", "method", *COLUMNS, "mae", "truth_outline"]
    assert list(measured["method"]) == list(predicted) * len(rows)
    for method, prediction in predicted.items():
        found = measured[measured["method"] == method]
        assert found["row"].tolist() == list(range(len(rows)))
        for column in columns:
            assert found[column].tolist() == samples.manifest[column].iloc[rows].tolist()
        counted = [count_image(p, m) for p, m in zip(prediction.masks, masks, strict=True)]
        assert (found[list(COLUMNS)].to_numpy() == counted).all(), method
        valid, truth = masks != 255, masks == 1
        maps = prediction.masks if prediction.probabilities is None else prediction.probabilities
        errors = [np.abs(m.astype(np.float64) - t)[v].mean() for m, t, v in zip(maps, truth, valid, strict=True)]
        np.testing.assert_allclose(found["mae"], errors, atol=1e-6)
        outlines = boundaries(truth, boundary_width((SIDE, SIDE))) & valid
        assert found["truth_outline"].tolist() == outlines.sum((1, 2)).tolist()
        assert outlines.any()


def test_patches_of_the_oracle_keep_their_share_of_the_image_at_native_resolution(
    samples: Samples, refined: ArrayStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    predictions = table.predictions

    def recorded(maps: MapBatch, tuned: Tuned, classes: int = 1) -> Any:
        asked.append((tuned.patch_size, classes))
        return predictions(maps, tuned, classes)

    monkeypatch.setattr(table, "predictions", recorded)
    measure(samples, refined, samples.rows(["test"]), Tuned(THRESHOLDS, 5))
    assert set(asked) == {(4, C)}, "16 pixels in patches of 5 are 4 patches a side"
    asked.clear()

    def enlarged(_: int, pair: MapPair) -> MapPair:
        def larger(values: np.ndarray) -> np.ndarray:
            return np.kron(values, np.ones((2, 3), values.dtype))

        maps = {name: larger(values) for name, values in pair.maps.items()}
        return MapPair(maps, larger(pair.refined), larger(pair.mask))

    measure(samples, refined, samples.rows(["test"]), Tuned(THRESHOLDS, 5), enlarged)
    assert set(asked) == {(12, C)}, "48 pixels are 4 patches of 12 on the longer side"


@pytest.mark.parametrize("resized", [False, True])
def test_batches_hold_whole_images_with_all_their_maps_in_order(
    samples: Samples, refined: ArrayStore, resized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_pairs, "BATCH_PIXELS", 2 * C * SIDE * SIDE)
    rows, asked = samples.rows(["test"]), []

    def resize(row: int, pair: MapPair) -> MapPair:
        asked.append(row)
        return pair

    batches = list(stream_batches(samples, refined, rows, resize if resized else None))
    assert [len(batch.masks) for batch in batches] == ([C] * 4 if resized else [2 * C] * 2)
    assert asked == (rows.tolist() if resized else [])
    for name, expected in (
        ("base", samples.array("logits", rows)),
        ("refined", refined.read("logits", slice(None))),
        ("masks", samples.array("masks", rows)),
        ("tta", samples.array("tta", rows)[:, 0]),
    ):
        found = np.concatenate([getattr(batch, name) for batch in batches])
        assert found.dtype == (np.uint8 if name == "masks" else np.float32)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("row_range", [(0, C), (C, 3 * C), None])
def test_a_row_range_reads_the_refined_maps_of_its_own_rows(
    samples: Samples, refined: ArrayStore, row_range: tuple[int, int] | None
) -> None:
    rows = samples.rows(["test"])
    batches = list(stream_batches(samples, refined, rows, row_range=row_range))
    chosen = slice(*row_range) if row_range else slice(None)
    found, masks = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("refined", "masks"))
    np.testing.assert_array_equal(found, refined.read("logits", slice(None))[chosen])
    np.testing.assert_array_equal(masks, samples.array("masks", rows[chosen]))


def test_an_image_larger_than_a_batch_is_a_batch_of_its_own(
    samples: Samples, refined: ArrayStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_pairs, "BATCH_PIXELS", 1)
    assert [len(batch.masks) for batch in stream_batches(samples, refined, samples.rows(["test"]))] == [C] * 4


def test_the_refiner_runs_on_the_rows_that_are_wanted_of_those_that_are_evaluated(samples: Samples) -> None:
    refiner = build_refiner(
        RegionDetailSettings(network="region_detail", members=2, detail_width=4, detail_levels=2, region_width=4)
    ).eval()
    rows, tiles, wanted = samples.rows(["test"]), Tiles(size=64, overlap=32), np.arange(C, 2 * C)
    batches = list(refined_maps(samples, rows, refiner, 2, tiles, wanted))
    assert [list(batch) for batch in batches] == [["logits"]] * 2, "three maps in batches of two"
    expected = list(predict_logits(refiner, samples, rows[C : 2 * C], refiner.arrays, 2, tiles))
    np.testing.assert_array_equal(np.concatenate([batch["logits"] for batch in batches]), np.concatenate(expected))


def test_errors_of_an_image_without_labelled_pixels_are_zero() -> None:
    masks = np.stack([np.full((4, 4), 255, np.uint8), np.ones((4, 4), np.uint8)])
    maps = MapBatch(np.ones((2, 4, 4), np.float32), np.ones((2, 4, 4), np.float32), masks)
    predicted = table.predictions(maps, Tuned({"base": [0.8]}, 4))
    counts, errors, outlines = count_methods(predicted, masks)
    assert counts.shape == (2, len(predicted), len(COLUMNS))
    names = list(predicted)
    assert errors.shape == (2, len(names))
    assert errors[0].tolist() == [0.0] * len(names)
    assert errors[1, names.index("base")] == pytest.approx(1 - expit(1.0), abs=1e-6)
    assert errors[1, names.index("tuned_threshold")] == 1.0, "nothing is predicted"
    assert outlines.tolist() == [0, outlines[1]]
    assert outlines[1] > 0


@pytest.mark.parametrize("task", ["multiclass", "saliency", "few_shot"])
def test_metrics_of_two_batches_are_those_of_one(samples: Samples, refined: ArrayStore, task: str) -> None:
    rows = samples.rows(["test"])
    base, masks = samples.array("logits", rows).astype(np.float32), samples.array("masks", rows)
    maps = MapBatch(base, refined.read("logits", slice(None)).astype(np.float32), masks)
    classes = C if task == "multiclass" else 1
    tuned = Tuned({"base": [0.5] * classes}, 8)
    categories = [f"category-{row // 4}" for row in range(len(rows))]

    def parts(bounds: list[slice]) -> list[Any]:
        found = []
        for bound in bounds:
            (metric,) = task_metrics(task, list("abc"), categories)
            batch = MapBatch(maps.base[bound], maps.refined[bound], maps.masks[bound])
            metric.update(table.predictions(batch, tuned, classes), batch.masks)
            found.append(metric)
        return found

    (whole,) = parts([slice(None)])
    (first, second) = parts([slice(0, 2 * C), slice(2 * C, None)])
    first.add(second)
    expected = whole.scores(50, 0)
    assert set(expected) >= {"base", "refined", "tuned_threshold"}
    assert first.scores(50, 0) == expected
    (empty,) = task_metrics(task, list("abc"), categories)
    empty.add(whole)
    assert empty.scores(50, 0) == expected


def test_class_scores_have_their_own_counts_intervals_and_gains(samples: Samples, refined: ArrayStore) -> None:
    rows = samples.rows(["test"])
    metrics = task_metrics("multiclass", list("abc"))
    measured = measure(samples, refined, rows, Tuned(THRESHOLDS, 8), task_metrics=metrics)
    scored = metrics[0].scores(100, 0)
    masks = samples.array("masks", rows)
    by_image = (-1, C, SIDE, SIDE)
    after = refined.read("logits", slice(None)).astype(np.float32)
    highest = after.reshape(by_image).argmax(1)[:, None] == np.arange(C)[:, None, None]
    expected = confusion((masks == 1).reshape(by_image), highest)
    assert scored["refined"]["confusion"] == expected.tolist()
    for number, name in enumerate("abc"):
        ious = {}
        for method in ("base", "refined"):
            chosen = measured[(measured["method"] == method) & (measured["class_id"] == number)]
            counts = chosen[list(COLUMNS[:3])].sum()
            ious[method] = counts.iloc[0] / counts.sum()
            assert scored[method]["classes"][name]["iou"] == pytest.approx(ious[method])
            low, high = scored[method]["classes"][name]["ci95"]
            assert low < ious[method] < high
        gain = scored["refined"]["classes"][name]["vs_base"]
        assert gain["iou_micro"] == pytest.approx(ious["refined"] - ious["base"])
        assert gain["ci95"][0] < gain["iou_micro"] < gain["ci95"][1]
    again, others = metrics[0].scores(100, 0), metrics[0].scores(100, 1)
    assert again == scored
    assert others["base"]["classes"]["a"]["ci95"] != scored["base"]["classes"]["a"]["ci95"]
    alone, grouped = (metrics[0].scores(300, 0, groups) for groups in (None, np.array(["x", "x", "y", "y"])))
    for key in ("ci95", "vs_base"):
        assert alone["refined"]["classes"]["a"][key] != grouped["refined"]["classes"]["a"][key]


def test_tasks_without_further_scores_have_no_metrics() -> None:
    assert task_metrics("binary") == []
    kinds = [type(task_metrics(task)[0]).__name__ for task in ("saliency", "few_shot", "multiclass")]
    assert kinds == ["SaliencyTask", "FewShotTask", "ClassesTask"]
