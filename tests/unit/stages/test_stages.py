"""Stages over stored samples, against the same done by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import MapBatch, Tuned
from prn_pipeline.data.resizing import stretch
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.counts import COLUMNS, count_image
from prn_pipeline.metrics.saliency import saliency_measures
from prn_pipeline.refinement import patch_pseudo_labels, rankseg_masks
from prn_pipeline.refinement.patch_refine_net.fitting import monitor_rows
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.evaluation.map_pairs import MapPair
from prn_pipeline.stages.evaluation.measuring import measure, tune_thresholds
from prn_pipeline.stages.evaluation.native_resolution import native_resolution
from prn_pipeline.stages.evaluation.scoring import per_image, score_methods
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches
from prn_pipeline.stages.reporting import choose_gallery, foreground, gallery, map_statistics
from prn_pipeline.training.settings import TrainingSettings

#: Of the squares no TTA was kept.
WITHOUT_TTA = [name for name in table.names() if not name.startswith("tta")]
HALF = {"base": [0.5]}


@pytest.fixture
def holdout(bright_squares: Samples) -> pd.DataFrame:
    return assign_models(bright_squares.manifest, "holdout", {})


@pytest.fixture
def refined(bright_squares: Samples, tmp_path: Path) -> ArrayStore:
    """As if PRN had undone the bias by place."""
    rows = bright_squares.rows(["test"])
    place = np.linspace(-1.5, 1.5, 64)[None, :, None]
    logits = bright_squares.array("logits", rows).astype(np.float32) - place
    write_arrays(tmp_path / "r.zarr", ArrayStream([{"logits": logits.astype(np.float16)}]))
    return ArrayStore(tmp_path / "r.zarr")


def test_holdout_learns_from_val_and_crossfit_from_train_and_val(
    bright_squares: Samples, holdout: pd.DataFrame
) -> None:
    splits = bright_squares.manifest["split"]
    assert set(splits.iloc[learning_rows(holdout)]) == {"val"}
    crossfit = assign_models(bright_squares.manifest, "crossfit", {f"fold-{k}": None for k in range(3)})  # type: ignore[misc]
    assert set(splits.iloc[learning_rows(crossfit)]) == {"train", "val"}
    with pytest.raises(UserError, match="needs models fold-1, fold-2"):
        assign_models(bright_squares.manifest, "crossfit", {"fold-0": None})  # type: ignore[dict-item]


def test_pseudo_labels_of_the_store_equal_those_of_each_map_alone(
    bright_squares: Samples, holdout: pd.DataFrame
) -> None:
    (batch,) = pseudo_label_batches(bright_squares, holdout, patch_size=16, levels=20)
    test = bright_squares.rows(["test"])
    for row in np.setdiff1d(np.arange(len(holdout)), test):
        probabilities = expit(bright_squares.array("logits", [row]).astype(np.float32))
        alone = patch_pseudo_labels(probabilities, bright_squares.array("masks", [row]), 16)
        assert (batch["labels"][row] == alone.labels[0]).all()
        assert (batch["thresholds"][row] == alone.thresholds[0]).all()
    assert (batch["labels"][test] == 255).all()
    assert np.isnan(batch["thresholds"][test]).all()


def test_the_tuned_threshold_is_the_best_of_a_plain_search_on_val(
    bright_squares: Samples, holdout: pd.DataFrame
) -> None:
    rows = learning_rows(holdout)
    probabilities = expit(bright_squares.array("logits", rows).astype(np.float32))
    truth = bright_squares.array("masks", rows) == 1

    def iou(threshold: float) -> float:
        predicted = probabilities > threshold
        return float((predicted & truth).sum() / (predicted | truth).sum())

    (found,) = tune_thresholds(bright_squares, holdout)["base"]
    assert iou(found) == pytest.approx(max(iou(k / 1000) for k in range(1000)), abs=1e-9)


def test_a_saliency_task_scores_continuous_maps_too(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    metrics = task_metrics("saliency")
    measured = measure(bright_squares, refined, rows, HALF, 16, task_metrics=metrics)
    methods = score_methods(measured, HALF, 200, 0, metrics)["methods"]
    masks = bright_squares.array("masks", rows)
    probabilities = expit(bright_squares.array("logits", rows).astype(np.float32))
    alone = [saliency_measures(one, mask).s_measure for one, mask in zip(probabilities, masks, strict=True)]
    assert methods["base"]["s_measure"] == pytest.approx(np.mean(alone))
    assert methods["refined"]["saliency_vs_base"]["f_weighted"]["ci95"][0] > 0
    assert methods["base"]["saliency_vs_base"]["f_weighted"]["gain"] == 0
    assert task_metrics("binary") == []


def test_every_method_is_measured_on_every_test_image(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    measured = measure(bright_squares, refined, rows, HALF, patch_size=16)
    assert len(measured) == len(rows) * len(WITHOUT_TTA)
    scored = score_methods(measured, HALF, resamples=300, seed=0)
    assert scored["methods"]["tuned_threshold"]["iou_micro"] == scored["methods"]["base"]["iou_micro"]
    assert scored["methods"]["refined"]["iou_micro"] > scored["methods"]["base"]["iou_micro"] + 0.02
    assert scored["gain"]["vs_base"]["ci95"][0] > 0
    assert scored["gain"]["images_worse_pct"] == 0
    table = per_image(measured)
    assert (table["gain"] > 0).all()
    predicted = bright_squares.array("logits", rows[:1])[0] > 0
    truth = bright_squares.array("masks", rows[:1])[0] == 1
    assert table["iou_base"][0] == pytest.approx((predicted & truth).sum() / (predicted | truth).sum())
    assert measured.loc[0, list(COLUMNS[:4])].sum() == 64 * 64


def test_scores_say_where_images_look_like_frames(bright_squares: Samples, refined: ArrayStore) -> None:
    for video in (True, False):
        samples = dataclasses.replace(bright_squares, manifest=bright_squares.manifest.assign(video=video))
        measured = measure(samples, refined, samples.rows(["test"]), HALF, patch_size=16)
        assert score_methods(measured, HALF, resamples=100, seed=0)["video"] is video


def test_frames_of_one_video_are_one_unit_of_the_intervals(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    manifest = bright_squares.manifest.assign(group=[f"video {i // 8}" for i in range(len(bright_squares.manifest))])
    of_videos = dataclasses.replace(bright_squares, manifest=manifest)
    alone, grouped = (
        score_methods(measure(one, refined, rows, HALF, patch_size=16), HALF, resamples=300, seed=0)
        for one in (bright_squares, of_videos)
    )
    assert (alone["n_independent"], alone["n_test"]) == (len(rows), len(rows))
    assert grouped["n_independent"] == manifest.iloc[rows]["group"].nunique() < grouped["n_test"]
    for name in ("base", "refined"):
        assert grouped["methods"][name]["iou_micro"] == alone["methods"][name]["iou_micro"]
        assert grouped["methods"][name]["iou_micro_ci95"] != alone["methods"][name]["iou_micro_ci95"]


def test_foreground_of_several_classes_is_where_a_class_is_above_the_others() -> None:
    probabilities = np.array([[0.4, 0.2], [0.35, 0.7], [0.25, 0.1]]).T.reshape(2, 3, 1, 1).reshape(6, 1, 1)
    maps = np.log(probabilities / (1 - probabilities))
    assert foreground(maps, 3).ravel().tolist() == [True, False, False, False, True, False]
    assert foreground(maps, 1).ravel().tolist() == [False, False, False, False, True, False]


def test_patch_bias_shows_where_the_map_is_too_high_and_too_low(bright_squares: Samples, refined: ArrayStore) -> None:
    maps = map_statistics(bright_squares, refined, patch_size=16)
    bias = maps["base"].patch_bias
    assert bias.shape == (4, 4)
    assert (np.diff(bias.mean(axis=1)) > 0).all(), "the maps drift upwards from top to bottom"
    assert np.abs(maps["prn"].patch_bias).max() < np.abs(bias).max()


def test_the_gallery_shows_no_image_twice(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    table = per_image(measure(bright_squares, refined, rows, HALF, 16))
    shown = gallery(bright_squares, refined, table, rows_each=2)
    assert [row.kind for row in shown] == ["best", "best", "median", "median", "worst", "worst"]
    assert len({row.sample_id for row in shown}) == 6
    assert choose_gallery(table.iloc[:1], rows_each=4) == [("best", 0)]
    gains = table["gain"].to_numpy()
    assert gains[choose_gallery(table, 1)[0][1]] == gains.max()


def test_methods_predict_what_plain_arithmetic_gives(bright_squares: Samples) -> None:
    rows = bright_squares.rows(["test"])
    base, masks = bright_squares.array("logits", rows).astype(np.float32), bright_squares.array("masks", rows)
    predicted = table.predictions(MapBatch(base, -base, masks), Tuned({"base": [0.3]}, patch_size=16))
    assert list(predicted) == WITHOUT_TTA
    probabilities = expit(base)
    expected = {
        "base": base > 0,
        "tuned_threshold": probabilities > np.float32(0.3),
        "rankseg": rankseg_masks(probabilities) == 1,
        "refined": base < 0,
        "patch_oracle": patch_pseudo_labels(probabilities, masks, 16).labels == 1,
    }
    for name, mask in expected.items():
        assert (predicted[name].masks == mask).all(), name
    graded = {name for name, prediction in predicted.items() if prediction.probabilities is not None}
    assert graded == {"base", "refined"}
    assert (predicted["refined"].probabilities == expit(-base)).all()


def test_a_measured_image_is_counted_as_it_is_alone(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    measured = measure(bright_squares, refined, rows, {"base": [0.4]}, patch_size=16)
    base, masks = bright_squares.array("logits", rows).astype(np.float32), bright_squares.array("masks", rows)
    after = refined.read("logits", slice(None)).astype(np.float32)
    predicted = table.predictions(MapBatch(base, after, masks), Tuned({"base": [0.4]}, 16))
    for method in WITHOUT_TTA:
        found = measured[measured["method"] == method]
        assert list(found["sample_id"]) == list(bright_squares.manifest["sample_id"].iloc[rows])
        counted = [count_image(p, m) for p, m in zip(predicted[method].masks, masks, strict=True)]
        assert (found[list(COLUMNS)].to_numpy() == counted).all(), method
        maps = predicted[method].masks if predicted[method].probabilities is None else predicted[method].probabilities
        assert np.allclose(found["mae"], np.abs(maps - (masks == 1).astype(np.float64)).mean((1, 2)), atol=1e-6), method


def test_images_of_other_sizes_are_measured_one_by_one(bright_squares: Samples, refined: ArrayStore) -> None:
    def resize(row: int, pair: MapPair) -> MapPair:
        shape = (64 + row, 70)
        return MapPair(stretch(pair.base, shape), stretch(pair.refined, shape), np.full(shape, row % 2, np.uint8))

    rows = bright_squares.rows(["test"])
    base = measure(bright_squares, refined, rows, HALF, 16, resize).query("method == 'base'")
    assert (base[list(COLUMNS[:4])].sum(axis=1) == [(64 + row) * 70 for row in rows]).all()
    assert (base["true_positives"] + base["false_negatives"] == [(row % 2) * (64 + row) * 70 for row in rows]).all()


def test_ignored_pixels_and_empty_masks_do_not_disturb(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float16)
    masks = np.stack([np.full((32, 32), 255, np.uint8), np.zeros((32, 32), np.uint8)])
    masks[1, :16] = 255
    manifest = pd.DataFrame({"sample_id": ["ignored", "half"], "split": "test", "fold": -1})
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"logits": logits, "masks": masks}]))
    store = ArrayStore(tmp_path / "s.zarr")
    measured = measure(Samples(manifest, {"samples": store}), store, np.arange(2), HALF, 16).set_index("sample_id")
    assert (measured.loc["ignored", [*COLUMNS, "mae"]] == 0).all(axis=None)
    half = measured.loc["half"].set_index("method")
    assert (half[list(COLUMNS[:4])].sum(axis=1) == 512).all()
    wrong = (logits[1, 16:] > 0).mean()
    assert half.loc["tuned_threshold", "mae"] == pytest.approx(wrong)
    assert half.loc["base", "mae"] == pytest.approx(expit(logits[1, 16:].astype(np.float32)).mean(), abs=1e-6)


def test_prn_needs_maps_to_learn_from_and_maps_to_choose_by(
    bright_squares: Samples, holdout: pd.DataFrame, tmp_path: Path
) -> None:
    one_group = Samples(bright_squares.manifest.assign(group="a video"), bright_squares.stores)
    with pytest.raises(UserError, match="6 maps of unseen images in 1 group: PRN needs some to learn from"):
        train_refiner(
            LearningMaps(one_group, holdout.assign(fold=0)),
            PatchRefineNetSettings(),
            FittingPlan(TrainingSettings(), 0, tmp_path),
        )


@pytest.mark.parametrize("fold", [0, 1])
def test_a_val_split_that_lies_in_one_fold_is_split_once_more(
    bright_squares: Samples, holdout: pd.DataFrame, fold: int
) -> None:
    rows = learning_rows(holdout)
    monitor = monitor_rows(LearningMaps(bright_squares, holdout.assign(fold=fold)), rows)
    assert 1 <= monitor.sum() <= 2
    kept = monitor_rows(LearningMaps(bright_squares, holdout), rows)
    assert kept.tolist() == (holdout["fold"].to_numpy()[rows] == 0).tolist(), "where the folds will do they are kept"


def test_maps_without_a_labelled_pixel_choose_no_epoch(
    bright_squares: Samples, holdout: pd.DataFrame, tmp_path: Path
) -> None:
    images = bright_squares.array("images", np.arange(24))
    write_arrays(
        tmp_path / "s.zarr",
        ArrayStream([{"images": images, "masks": np.full((24, 64, 64), 255, np.uint8)}], {IDENTITY: "bright-squares"}),
    )
    blind = Samples(bright_squares.manifest, {"samples": ArrayStore(tmp_path / "s.zarr")})
    with pytest.raises(UserError, match=r"every pixel of square-.* is ignored"):
        monitor_rows(LearningMaps(blind, holdout), learning_rows(holdout))


def native_set(root: Path) -> DatasetSettings:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / "set" / kind).mkdir(parents=True)
    for index in range(9):
        size = (40 + index, 30)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(root / "set" / "images" / f"{index}.png")
        Image.fromarray(255 * rng.integers(0, 2, size, dtype=np.uint8)).save(root / "set" / "masks" / f"{index}.png")
    return DatasetSettings(image_size=32, folds=2)


def test_native_resolution_reads_the_original_masks(tmp_path: Path) -> None:
    from prn_pipeline.data.ingestion import inspect
    from prn_pipeline.data.readers.factory import make_reader

    settings = native_set(tmp_path)
    manifest = inspect("set", settings, make_reader("set", settings, tmp_path))
    manifest.attrs[IDENTITY] = "x"
    resize = native_resolution("set", settings, tmp_path, manifest)
    logits = np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
    pair = resize(4, MapPair(logits, logits, np.zeros((32, 32), np.uint8)))
    assert pair.mask.shape == pair.base.shape == pair.refined.shape == (44, 30)
    original = np.asarray(Image.open(tmp_path / "set" / "masks" / "4.png"))
    assert (pair.mask == original // 255).all()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "set" / "masks" / "4.png")
    with pytest.raises(UserError, match="run the pipeline ingestion again"):
        resize(4, pair)


def test_stretching_keeps_constants_and_agrees_with_itself_at_the_same_size() -> None:
    logits = np.random.default_rng(2).normal(size=(8, 8)).astype(np.float32)
    assert np.allclose(stretch(logits, (8, 8)), logits, atol=1e-6)
    assert np.allclose(stretch(np.full((8, 8), 3.0, np.float32), (13, 5)), 3.0)


def test_tta_is_measured_where_it_was_kept(bright_squares: Samples, refined: ArrayStore, tmp_path: Path) -> None:
    everything = np.arange(len(bright_squares.manifest))
    logits, masks = bright_squares.array("logits", everything), bright_squares.array("masks", everything)
    tta = np.stack([2.0 * masks - 1, logits], axis=1).astype(np.float16)
    write_arrays(tmp_path / "v.zarr", ArrayStream([{"tta": tta}], {IDENTITY: bright_squares.manifest.attrs[IDENTITY]}))
    samples = Samples(bright_squares.manifest, bright_squares.stores | {"tta": ArrayStore(tmp_path / "v.zarr")})
    tuned = tune_thresholds(samples, assign_models(samples.manifest, "holdout", {}))
    scored = score_methods(measure(samples, refined, samples.rows(["test"]), tuned, 16), tuned, resamples=100, seed=0)
    assert list(scored["methods"]) == table.names()
    assert scored["methods"]["tta_tuned"]["threshold"] == tuned["tta"][0]
    assert scored["methods"]["tta_tuned"]["iou_micro"] == 1.0
    assert scored["gain"]["vs_best_free"]["method"] == "tta", "the first of equally good ones"
    assert scored["methods"]["tta"]["iou_micro"] == 1.0, "their mean is the truth here"
    assert scored["gain"]["vs_tta"]["iou_micro"] < 0
