"""The curve over labelled images: what each fit sees, what is counted, and what an interrupted call leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.map_manifest import learning_rows, seen_rows
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.label_curve import measuring
from prn_pipeline.stages.label_curve.curve import CurvePlan, CurveRefiner, Step, label_curve
from prn_pipeline.stages.label_curve.draws import LabelDraw, label_draws
from prn_pipeline.stages.label_curve.gains import Point, best_free, gains, resampled_gains, resamples
from prn_pipeline.stages.label_curve.measuring import free_counts, labelled_alone, refined_counts
from prn_pipeline.stages.label_curve.points import PointStore, maps_digest, of_these_maps
from prn_pipeline.stages.label_curve.summary import MORE_IMAGES, summarise, table_rows
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.settings import TrainingSettings

TREES = TreesSettings(network="trees", trees=10, depth=2, members=2, penalty=20, pixels=2000)
PLAN = CurvePlan(sizes=(4, 8), draws=2, seed=0, patch_size=16, batch_size=4, resamples=200)


def learning_maps(samples: Samples) -> LearningMaps:
    """Of 24 images 18 may be learned from, of a base model that saw two images of train."""
    maps = assign_models(samples.manifest, "holdout", {})
    maps["seen_in_training"] = np.arange(24) < 2
    return LearningMaps(samples, maps)


def with_inverted_masks(samples: Samples, rows: np.ndarray, folder: Path) -> Samples:
    arrays = {name: samples.array(name, np.arange(24)) for name in ("images", "masks")}
    arrays["masks"][rows] = 1 - arrays["masks"][rows]
    write_arrays(folder, ArrayStream([arrays], {IDENTITY: "bright-squares"}))
    return Samples(samples.manifest, {**samples.stores, "samples": ArrayStore(folder)})


def first_draw(maps: LearningMaps, size: int = 6) -> LabelDraw:
    return label_draws(maps.samples.manifest, learning_rows(maps.map_manifest), [size], 2, 0).draws[0]


def refiners(folder: Path, **settings: Any) -> dict[str, CurveRefiner]:
    plan = FittingPlan(TrainingSettings(), 0, folder / "checkpoints")
    return {name: CurveRefiner(one, plan) for name, one in (settings or {"trees": TREES}).items()}


def curve_of(maps: LearningMaps, folder: Path, listener: Callable[[Step, int], None] = lambda s, n: None) -> Any:
    return label_curve(maps, refiners(folder), PLAN, PointStore(folder / "points", "maps"), listener)


def test_only_drawn_images_are_labelled(bright_squares: Samples) -> None:
    maps = learning_maps(bright_squares)
    draw = first_draw(maps)
    alone = labelled_alone(maps.map_manifest, draw)
    assert learning_rows(alone).tolist() == draw.drawn.tolist()
    assert seen_rows(maps.map_manifest).size
    assert not seen_rows(alone).size, "masks of images that the base model has seen are labels too"
    assert alone["model"].tolist() == maps.map_manifest["model"].tolist()


def test_masks_of_images_that_were_not_drawn_change_no_prediction(bright_squares: Samples, tmp_path: Path) -> None:
    maps = learning_maps(bright_squares)
    draw = first_draw(maps)
    others = np.setdiff1d(np.arange(24), draw.drawn)
    inverted = LearningMaps(with_inverted_masks(bright_squares, others, tmp_path / "s.zarr"), maps.map_manifest)
    plan = FittingPlan(TrainingSettings(), 0, tmp_path)
    for measured, changed in (
        (refined_counts(maps, draw, TREES, plan, 4), refined_counts(inverted, draw, TREES, plan, 4)),
        (
            free_counts(maps.samples, maps.map_manifest, draw, 16),
            free_counts(inverted.samples, maps.map_manifest, draw, 16),
        ),
    ):
        # Where truth is inverted, what was a true positive is a false one: the predictions are the same.
        assert measured["true_positives"].tolist() == changed["false_positives"].tolist()
        assert measured["true_positives"].sum() > 1000


def test_masks_of_drawn_images_decide_what_is_tuned(bright_squares: Samples, tmp_path: Path) -> None:
    maps = learning_maps(bright_squares)
    draw = first_draw(maps)
    inverted = with_inverted_masks(bright_squares, draw.drawn, tmp_path / "s.zarr")
    tuned = free_counts(maps.samples, maps.map_manifest, draw, 16)
    changed = free_counts(inverted, maps.map_manifest, draw, 16)
    for method, same in (("base", True), ("tuned_threshold", False)):
        found = [table[table["method"] == method]["true_positives"].tolist() for table in (tuned, changed)]
        assert (found[0] == found[1]) is same


def test_counts_are_those_of_the_fitted_refiners_masks(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, fitted = learning_maps(bright_squares), []
    train = measuring.train_refiner
    guarded: list[Correction] = []

    def training(*given: Any) -> Any:
        fitted.append(train(*given))
        fitted[-1].network.correction = Correction(0.0, 0.25)
        guarded.append(fitted[-1].network.correction)
        return fitted[-1]

    monkeypatch.setattr(measuring, "train_refiner", training)
    draw = first_draw(maps)
    found = refined_counts(maps, draw, TREES, FittingPlan(TrainingSettings(), 0, tmp_path), 4)
    network = fitted[0].network
    full = found[found["method"] == "full_correction"]
    found = found[found["method"] == "refined"]
    whole = np.concatenate(list(predict_logits(network, bright_squares, draw.held_out, network.arrays, 4))) > 0
    truth = bright_squares.array("masks", draw.held_out) == 1
    assert full["true_positives"].tolist() == (whole & truth).sum((1, 2)).tolist()
    assert network.correction == (1, 1, 0, 0), "which was measured last"
    network.correction = guarded[0]
    refined = np.concatenate(list(predict_logits(network, bright_squares, draw.held_out, network.arrays, 4))) > 0
    assert (refined != whole).any()
    assert found["true_positives"].tolist() == (refined & truth).sum((1, 2)).tolist()
    assert found["false_positives"].tolist() == (refined & ~truth).sum((1, 2)).tolist()
    assert found["false_negatives"].tolist() == (~refined & truth).sum((1, 2)).tolist()
    assert found["sample_id"].tolist() == bright_squares.manifest["sample_id"].iloc[draw.held_out].tolist()
    assert found.attrs["seconds"] > 0
    assert found.attrs["unchanged"] is False


def point(size: int, number: int, refined: list[int], base: list[int]) -> Point:
    """Images of 100 true pixels of which so many are found, and none else."""
    rows = np.arange(len(refined))
    counts = {
        method: np.array([[[hit, 0, 100 - hit, 900, 0, 0]] for hit in hits])
        for method, hits in (("base", base), ("rankseg", [hit + 1 for hit in base]), ("refined", refined))
    }
    return Point(LabelDraw(size, number, size, size, rows, rows), rows, counts, seconds=1.0)


def test_gains_are_differences_of_pooled_iou_and_the_best_free_method_is_that_of_all_draws() -> None:
    points = [point(5, 0, [80, 60], [50, 50]), point(5, 1, [50, 50], [50, 30])]
    assert gains(points, "base") == pytest.approx([0.20, 0.10])
    assert best_free(points) == "rankseg"
    assert gains(points, "rankseg") == pytest.approx([0.19, 0.09])


def test_a_resample_weighs_whole_groups_and_averages_the_draws_that_it_has() -> None:
    points = [point(5, 0, [80, 60], [50, 50]), point(5, 1, [50, 50], [50, 30])]
    by = resamples([0, 1], draws=2, count=500, seed=0)
    assert by.draws.shape == (500, 1), "one draw less than there are"
    found = resampled_gains(points, "base", by)
    for number, value in enumerate(found):
        weights = np.array([by.weights[0][number], by.weights[1][number]])
        assert weights.sum() == 2
        of_images = [[0.30, 0.10], [0.0, 0.20]][by.draws[number, 0]]
        assert value == pytest.approx(weights @ of_images / 2)
    assert set(by.draws[:, 0]) == {0, 1}


def test_equal_methods_gain_nothing_at_any_size() -> None:
    points = [point(size, 0, [50, 60], [50, 60]) for size in (5, 10)]
    found = summarise(points, resamples([0, 1], 1, 100, 0), labelled=20)
    assert [size["vs_base"]["iou_micro"] for size in found["sizes"]] == [0, 0]
    assert found["forecast"]["further_gain_ci95"] == [0, 0]
    assert found["sizes"][0]["vs_best_free"]["iou_micro"] == pytest.approx(-0.01)


def test_a_rising_curve_is_expected_to_rise_further() -> None:
    points = [point(size, 0, [int(90 - 200 / size)] * 2, [40, 40]) for size in (5, 10, 20)]
    found = summarise(points, resamples([0, 1], 1, 100, 0), labelled=20)
    assert found["curve"]["exponent"] == 1
    assert found["forecast"]["gain"] == pytest.approx(0.4)
    assert found["forecast"]["further_gain"] == pytest.approx(2 / 20 - 2 / (20 + MORE_IMAGES))


def test_one_size_makes_no_forecast() -> None:
    found = summarise([point(5, 0, [50, 60], [50, 60])], resamples([0, 1], 1, 100, 0), labelled=20)
    assert found["curve"] is found["forecast"] is None


def test_a_curve_has_every_size_with_its_gains(bright_squares: Samples, tmp_path: Path) -> None:
    steps: list[Step] = []
    found = curve_of(learning_maps(bright_squares), tmp_path, lambda step, of: steps.append(step))
    assert [(step.draw.size, step.draw.number, step.before) for step in steps] == [
        (size, number, False) for size in (4, 8) for number in (0, 1)
    ]
    assert (found["labelled_images"], found["groups"], found["draws"]) == (16, 16, 2)
    trees = found["refiners"]["trees"]
    assert [size["images"] for size in trees["sizes"]] == [4, 8]
    assert [size["held_out"] for size in trees["sizes"]] == [12, 8]
    for size in trees["sizes"]:
        low, high = size["vs_base"]["ci95"]
        assert low <= size["vs_base"]["iou_micro"] <= high
        assert size["vs_best_free"]["iou_micro"] <= size["vs_base"]["iou_micro"]
    assert trees["sizes"][1]["vs_base"]["iou_micro"] > 0.02, "the logits' bias depends on the place"
    rows = table_rows(found)
    assert [(row["refiner"], row["size"]) for row in rows] == [("trees", 4), ("trees", 8)]
    assert [row["full_correction"] for row in rows] == [size["full_correction"]["iou_micro"] for size in trees["sizes"]]


def test_an_interrupted_curve_continues_and_gives_the_same_result(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = learning_maps(bright_squares)
    fits: list[int] = []
    train = measuring.train_refiner

    def interrupted(*given: Any) -> Any:
        fits.append(1)
        if len(fits) == 3:
            raise KeyboardInterrupt
        return train(*given)

    monkeypatch.setattr(measuring, "train_refiner", interrupted)
    with pytest.raises(KeyboardInterrupt):
        curve_of(maps, tmp_path / "a")
    assert len(list((tmp_path / "a/points").glob("trees-*"))) == 2
    assert not list((tmp_path / "a").rglob("*.partial*"))
    continued = curve_of(maps, tmp_path / "a")
    assert len(fits) == 3 + 2
    again = curve_of(maps, tmp_path / "a")
    assert len(fits) == 5, "nothing is measured twice"
    whole = curve_of(maps, tmp_path / "b")
    for found in (continued, again, whole):
        for size in found["refiners"]["trees"]["sizes"]:
            size.pop("seconds")
    assert continued == again == whole


@pytest.mark.parametrize("change", ["settings", "training", "seed", "maps"])
def test_what_was_measured_under_other_conditions_is_not_used(
    change: str, bright_squares: Samples, tmp_path: Path
) -> None:
    maps, steps = learning_maps(bright_squares), []
    curve_of(maps, tmp_path)
    settings, training, plan, identity = TREES, TrainingSettings(), PLAN, "maps"
    if change == "settings":
        settings = TREES.model_copy(update={"depth": 1})
    elif change == "training":
        training = TrainingSettings(batch_size=2)
    elif change == "seed":
        plan = CurvePlan(**{**vars(PLAN), "seed": 1})
    else:
        identity = "other maps"
    refiner = CurveRefiner(settings, FittingPlan(training, 0, tmp_path / "checkpoints"))
    store = PointStore(tmp_path / "points", identity)
    label_curve(maps, {"trees": refiner}, plan, store, lambda step, of: steps.append(step.before))
    assert steps == [False] * 4


def test_a_damaged_file_is_measured_again(
    bright_squares: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    maps = learning_maps(bright_squares)
    curve_of(maps, tmp_path)
    file = next((tmp_path / "points").glob("trees-8-1-*"))
    file.write_bytes(file.read_bytes()[:-20])
    before: list[bool] = []
    curve_of(maps, tmp_path, lambda step, of: before.append(step.before))
    assert before == [True, True, True, False]
    assert "is damaged" in caplog.text
    assert "this draw is measured again" in caplog.text


def test_sizes_with_fewer_groups_than_a_refiner_needs_are_left_out_for_it_alone(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Demanding(TreesSettings):
        @property
        def fewest_groups(self) -> int:
            return 5

    many = Demanding(**TREES.model_dump())
    plan, store = PLAN, PointStore(tmp_path, "maps")
    found = label_curve(learning_maps(bright_squares), refiners(tmp_path, trees=TREES, many=many), plan, store)
    assert found["refiners"]["many"]["left_out"] == {"4": "has 4 groups, this refiner needs 5"}
    assert [size["size"] for size in found["refiners"]["many"]["sizes"]] == [8]
    assert [size["size"] for size in found["refiners"]["trees"]["sizes"]] == [4, 8]
    small = CurvePlan(**{**vars(PLAN), "sizes": (4,)})
    with pytest.raises(UserError, match=r"refiner 'many' can be measured at no size \(4: has 4 groups"):
        label_curve(learning_maps(bright_squares), refiners(tmp_path, many=many), small, store)


def test_a_refiner_that_learns_from_the_base_models_images_is_refused(bright_squares: Samples, tmp_path: Path) -> None:
    longer = BaseNetworkSettings(network="base_network", start="initial")
    with pytest.raises(UserError, match="does not depend on the drawn images alone: use a refiner with start: trained"):
        label_curve(
            learning_maps(bright_squares), refiners(tmp_path, longer=longer), PLAN, PointStore(tmp_path, "maps")
        )


def test_a_curve_of_earlier_maps_is_not_shown(bright_squares: Samples, caplog: pytest.LogCaptureFixture) -> None:
    own = {"maps": maps_digest(bright_squares)}
    assert of_these_maps(own, bright_squares) == own
    assert of_these_maps({}, bright_squares) == {}
    assert not caplog.text
    assert of_these_maps({"maps": "others"}, bright_squares) == {}
    assert "run prn curve again" in caplog.text
