"""Stages on stored samples, against plain computations on the arrays."""

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from prn_pipeline.comparison import table
from prn_pipeline.comparison.components import COMPONENT, HOLE
from prn_pipeline.comparison.method import MapBatch, Tuned
from prn_pipeline.data.resizing import stretch
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.counts import COLUMNS, boundaries, boundary_width, count_image
from prn_pipeline.metrics.saliency import saliency_measures
from prn_pipeline.refinement import patch_pseudo_labels
from prn_pipeline.refinement.patch_refine_net.monitor import monitor_rows
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.reporting.caveats import boundary_note
from prn_pipeline.reporting.score_tables import score_columns
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.evaluation.map_pairs import MapPair
from prn_pipeline.stages.evaluation.measuring import measure
from prn_pipeline.stages.evaluation.scoring import per_image, score_methods
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches
from prn_pipeline.stages.reporting import choose_gallery, foreground, gallery, map_statistics
from prn_pipeline.training.settings import TrainingSettings

#: The store of the squares has no TTA.
WITHOUT_TTA = [name for name in table.names() if not name.startswith("tta")]
HALF = Tuned({"base": [0.5]}, 16, {name: {COMPONENT: 0.0, HOLE: 0.0} for name in ("components", "components_tuned")})


@pytest.fixture
def holdout(bright_squares: Samples) -> pd.DataFrame:
    return assign_models(bright_squares.manifest, "holdout", {})


@pytest.fixture
def refined(bright_squares: Samples, tmp_path: Path) -> ArrayStore:
    """Logits of a refiner that has removed the vertical bias."""
    rows = bright_squares.rows(["test"])
    bias = np.linspace(-1.5, 1.5, 64)[None, :, None]
    logits = bright_squares.array("logits", rows).astype(np.float32) - bias
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


def test_stored_pseudo_labels_equal_those_of_single_maps(bright_squares: Samples, holdout: pd.DataFrame) -> None:
    (batch,) = pseudo_label_batches(bright_squares, holdout, patch_size=16, levels=20)
    test = bright_squares.rows(["test"])
    for row in np.setdiff1d(np.arange(len(holdout)), test):
        probabilities = expit(bright_squares.array("logits", [row]).astype(np.float32))
        alone = patch_pseudo_labels(probabilities, bright_squares.array("masks", [row]), 16)
        assert (batch["labels"][row] == alone.labels[0]).all()
        assert (batch["thresholds"][row] == alone.thresholds[0]).all()
    assert (batch["labels"][test] == 255).all()
    assert np.isnan(batch["thresholds"][test]).all()


def test_the_tuned_threshold_is_the_best_of_an_exhaustive_search_on_val(
    bright_squares: Samples, holdout: pd.DataFrame
) -> None:
    rows = learning_rows(holdout)
    probabilities = expit(bright_squares.array("logits", rows).astype(np.float32))
    truth = bright_squares.array("masks", rows) == 1

    def iou(threshold: float) -> float:
        predicted = probabilities > threshold
        return float((predicted & truth).sum() / (predicted | truth).sum())

    (found,) = tune(bright_squares, holdout, 16).thresholds["base"]
    assert iou(found) == pytest.approx(max(iou(k / 1000) for k in range(1000)), abs=1e-9)


def test_a_saliency_task_also_scores_probability_maps(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    metrics = task_metrics("saliency")
    measured = measure(bright_squares, refined, rows, HALF, task_metrics=metrics)
    methods = score_methods(measured, HALF, 200, 0, metrics)["methods"]
    masks = bright_squares.array("masks", rows)
    probabilities = expit(bright_squares.array("logits", rows).astype(np.float32))
    alone = [saliency_measures(one, mask).s_measure for one, mask in zip(probabilities, masks, strict=True)]
    assert methods["base"]["s_measure"] == pytest.approx(np.mean(alone))
    assert methods["refined"]["saliency_vs_base"]["f_weighted"]["ci95"][0] > 0
    assert methods["base"]["saliency_vs_base"]["f_weighted"]["gain"] == 0
    assert task_metrics("binary") == []


def test_every_method_is_evaluated_on_every_test_image(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    measured = measure(bright_squares, refined, rows, HALF)
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


def test_gains_say_how_many_wrong_pixels_the_refiner_adds(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    scored = score_methods(measure(bright_squares, refined, rows, HALF), HALF, resamples=100, seed=0)
    truth = bright_squares.array("masks", rows) == 1
    before, after = bright_squares.array("logits", rows) > 0, refined.read("logits", np.arange(len(rows))) > 0
    added = int((after != truth).sum()) - int((before != truth).sum())
    assert added < 0
    assert scored["gain"]["vs_base"]["wrong_pixels"] == added
    best = scored["gain"]["vs_best_free"]
    assert best["wrong_pixels"] == scored["gain"][f"vs_{best['method']}"]["wrong_pixels"]
    assert "base_predicts" not in scored


def test_boundary_iou_is_left_out_where_its_band_covers_the_objects(
    bright_squares: Samples, refined: ArrayStore
) -> None:
    rows = bright_squares.rows(["test"])
    measured = measure(bright_squares, refined, rows, HALF)
    truth = bright_squares.array("masks", rows) == 1
    band = boundaries(truth, boundary_width(truth.shape[1:])).sum() / truth.sum()
    scored = score_methods(measured, HALF, resamples=100, seed=0)
    assert scored["boundary_band_share"] == pytest.approx(band)
    assert band < 0.9
    assert all(method["boundary_iou"] is not None for method in scored["methods"].values())
    assert boundary_note(scored) == ""
    covered = measured.assign(truth_outline=measured["true_positives"] + measured["false_negatives"])
    thin = score_methods(covered, HALF, resamples=100, seed=0)
    assert thin["boundary_band_share"] == 1
    assert [method["boundary_iou"] for method in thin["methods"].values()] == [None] * len(WITHOUT_TTA)
    columns = score_columns(thin["methods"])
    assert "boundary_iou" not in columns
    assert "iou_micro" in columns
    assert boundary_note(thin) == (
        "Boundary IoU is left out: its band covers 100 % of the objects, so it would only repeat IoU."
    )


def test_scores_say_that_a_base_model_predicts_nothing(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    measured = measure(bright_squares, refined, rows, HALF)
    base = measured["method"] == "base"
    hits, alarms, misses, rest = COLUMNS[:4]
    measured.loc[base, misses] += measured.loc[base, hits]
    measured.loc[base, rest] += measured.loc[base, alarms]
    measured.loc[base, [hits, alarms]] = 0
    scored = score_methods(measured, HALF, resamples=100, seed=0)
    assert scored["base_predicts"] == "nothing"
    assert scored["methods"]["base"]["precision"] is None


def test_scores_have_a_flag_for_images_that_look_like_video_frames(
    bright_squares: Samples, refined: ArrayStore
) -> None:
    for video in (True, False):
        samples = dataclasses.replace(bright_squares, manifest=bright_squares.manifest.assign(video=video))
        measured = measure(samples, refined, samples.rows(["test"]), HALF)
        assert score_methods(measured, HALF, resamples=100, seed=0)["video"] is video


def test_intervals_resample_whole_videos(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    manifest = bright_squares.manifest.assign(group=[f"video {i // 8}" for i in range(len(bright_squares.manifest))])
    of_videos = dataclasses.replace(bright_squares, manifest=manifest)
    alone, grouped = (
        score_methods(measure(one, refined, rows, HALF), HALF, resamples=300, seed=0)
        for one in (bright_squares, of_videos)
    )
    assert (alone["n_independent"], alone["n_test"]) == (len(rows), len(rows))
    assert grouped["n_independent"] == manifest.iloc[rows]["group"].nunique() < grouped["n_test"]
    for name in ("base", "refined"):
        assert grouped["methods"][name]["iou_micro"] == alone["methods"][name]["iou_micro"]
        assert grouped["methods"][name]["iou_micro_ci95"] != alone["methods"][name]["iou_micro_ci95"]


def test_the_foreground_of_a_class_is_where_its_logit_is_the_highest() -> None:
    probabilities = np.array([[0.4, 0.2], [0.35, 0.7], [0.25, 0.1]]).T.reshape(2, 3, 1, 1).reshape(6, 1, 1)
    maps = np.log(probabilities / (1 - probabilities))
    assert foreground(maps, 3).ravel().tolist() == [True, False, False, False, True, False]
    assert foreground(maps, 1).ravel().tolist() == [False, False, False, False, True, False]


def test_patch_bias_shows_where_maps_are_too_high_or_too_low(bright_squares: Samples, refined: ArrayStore) -> None:
    maps = map_statistics(bright_squares, refined, patch_size=16)
    bias = maps["base"].patch_bias
    assert bias.shape == (4, 4)
    assert (np.diff(bias.mean(axis=1)) > 0).all(), "the logits increase from top to bottom"
    assert np.abs(maps["refined"].patch_bias).max() < np.abs(bias).max()


def test_the_gallery_shows_each_image_at_most_once(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    table = per_image(measure(bright_squares, refined, rows, HALF))
    shown = gallery(bright_squares, refined, table, rows_each=2)
    assert [row.kind for row in shown] == ["best", "best", "median", "median", "worst", "worst"]
    assert len({row.sample_id for row in shown}) == 6
    assert choose_gallery(table.iloc[:1], rows_each=4) == [("best", 0)]
    gains = table["gain"].to_numpy()
    assert gains[choose_gallery(table, 1)[0][1]] == gains.max()


def test_counts_of_a_batch_equal_those_of_single_images(bright_squares: Samples, refined: ArrayStore) -> None:
    rows = bright_squares.rows(["test"])
    measured = measure(bright_squares, refined, rows, replace(HALF, thresholds={"base": [0.4]}))
    base, masks = bright_squares.array("logits", rows).astype(np.float32), bright_squares.array("masks", rows)
    after = refined.read("logits", slice(None)).astype(np.float32)
    predicted = table.predictions(MapBatch(base, after, masks), replace(HALF, thresholds={"base": [0.4]}))
    assert set(measured["method"]) == set(WITHOUT_TTA)
    for method in WITHOUT_TTA:
        found = measured[measured["method"] == method]
        assert list(found["sample_id"]) == list(bright_squares.manifest["sample_id"].iloc[rows])
        counted = [count_image(p, m) for p, m in zip(predicted[method].masks, masks, strict=True)]
        assert (found[list(COLUMNS)].to_numpy() == counted).all(), method
        maps = predicted[method].masks if predicted[method].probabilities is None else predicted[method].probabilities
        assert np.allclose(found["mae"], np.abs(maps - (masks == 1).astype(np.float64)).mean((1, 2)), atol=1e-6), method


def test_resized_images_may_differ_in_size(bright_squares: Samples, refined: ArrayStore) -> None:
    def resize(row: int, pair: MapPair) -> MapPair:
        shape = (64 + row, 70)
        maps = {"base": stretch(pair.maps["base"], shape)}
        return MapPair(maps, stretch(pair.refined, shape), np.full(shape, row % 2, np.uint8))

    rows = bright_squares.rows(["test"])
    base = measure(bright_squares, refined, rows, HALF, resize).query("method == 'base'")
    assert (base[list(COLUMNS[:4])].sum(axis=1) == [(64 + row) * 70 for row in rows]).all()
    assert (base["true_positives"] + base["false_negatives"] == [(row % 2) * (64 + row) * 70 for row in rows]).all()


def test_ignored_pixels_are_not_counted_and_empty_masks_are_supported(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float16)
    masks = np.stack([np.full((32, 32), 255, np.uint8), np.zeros((32, 32), np.uint8)])
    masks[1, :16] = 255
    manifest = pd.DataFrame({"sample_id": ["ignored", "half"], "split": "test", "fold": -1})
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"logits": logits, "masks": masks}]))
    store = ArrayStore(tmp_path / "s.zarr")
    measured = measure(Samples(manifest, {"samples": store}), store, np.arange(2), HALF).set_index("sample_id")
    assert (measured.loc["ignored", [*COLUMNS, "mae"]] == 0).all(axis=None)
    half = measured.loc["half"].set_index("method")
    assert (half[list(COLUMNS[:4])].sum(axis=1) == 512).all()
    wrong = (logits[1, 16:] > 0).mean()
    assert half.loc["tuned_threshold", "mae"] == pytest.approx(wrong)
    assert half.loc["base", "mae"] == pytest.approx(expit(logits[1, 16:].astype(np.float32)).mean(), abs=1e-6)


def test_prn_needs_maps_to_learn_from_and_others_to_select_its_best_epoch(
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
def test_a_val_split_that_is_in_one_fold_is_split_again(
    bright_squares: Samples, holdout: pd.DataFrame, fold: int
) -> None:
    rows = learning_rows(holdout)
    monitor = monitor_rows(LearningMaps(bright_squares, holdout.assign(fold=fold)), rows)
    assert 1 <= monitor.sum() <= 2
    kept = monitor_rows(LearningMaps(bright_squares, holdout), rows)
    assert kept.tolist() == (holdout["fold"].to_numpy()[rows] == 0).tolist(), "usable folds are kept"


def test_maps_without_a_labelled_pixel_cannot_select_an_epoch(
    bright_squares: Samples, holdout: pd.DataFrame, tmp_path: Path
) -> None:
    images = bright_squares.array("images", np.arange(24))
    write_arrays(
        tmp_path / "s.zarr",
        ArrayStream([{"images": images, "masks": np.full((24, 64, 64), 255, np.uint8)}], {IDENTITY: "bright-squares"}),
    )
    unlabelled = Samples(bright_squares.manifest, {"samples": ArrayStore(tmp_path / "s.zarr")})
    with pytest.raises(UserError, match=r"every pixel of square-.* is ignored"):
        monitor_rows(LearningMaps(unlabelled, holdout), learning_rows(holdout))


def test_stretching_keeps_constants_and_maps_of_the_same_size() -> None:
    logits = np.random.default_rng(2).normal(size=(8, 8)).astype(np.float32)
    assert np.allclose(stretch(logits, (8, 8)), logits, atol=1e-6)
    assert np.allclose(stretch(np.full((8, 8), 3.0, np.float32), (13, 5)), 3.0)


def test_tta_is_evaluated_if_it_is_stored(bright_squares: Samples, refined: ArrayStore, tmp_path: Path) -> None:
    rows = np.arange(len(bright_squares.manifest))
    logits, masks = bright_squares.array("logits", rows), bright_squares.array("masks", rows)
    tta = np.stack([2.0 * masks - 1, logits], axis=1).astype(np.float16)
    write_arrays(tmp_path / "v.zarr", ArrayStream([{"tta": tta}], {IDENTITY: bright_squares.manifest.attrs[IDENTITY]}))
    samples = Samples(bright_squares.manifest, bright_squares.stores | {"tta": ArrayStore(tmp_path / "v.zarr")})
    tuned = tune(samples, assign_models(samples.manifest, "holdout", {}), 16)
    scored = score_methods(measure(samples, refined, samples.rows(["test"]), tuned), tuned, resamples=100, seed=0)
    assert list(scored["methods"]) == [name for name in table.names() if "scales" not in name]
    assert scored["methods"]["tta_tuned"]["threshold"] == tuned.thresholds["tta"][0]
    assert scored["methods"]["tta_tuned"]["iou_micro"] == 1.0
    assert scored["gain"]["vs_best_free"]["method"] == "tta", "ties go to the first method of the table"
    assert scored["methods"]["tta"]["iou_micro"] == 1.0, "the stored mean is the truth here"
    assert scored["gain"]["vs_tta"]["iou_micro"] < 0
