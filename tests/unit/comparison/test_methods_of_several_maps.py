"""Methods that use the maps of several models, against plain NumPy."""

import numpy as np
import pytest
from scipy.special import expit, logit

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import MapBatch, Tuned
from prn_pipeline.refinement.baselines.binarization import rankseg_masks
from prn_pipeline.reporting.caveats import free_parts
from prn_pipeline.reporting.gains import measured_gains
from prn_pipeline.reporting.labels import method_label

DRAW = np.random.default_rng(0)
ALONE = ["map_b", "tuned_map_b", "map_c", "tuned_map_c"]  # by label, not in the order of the maps
MEAN = ["mean_maps", "mean_maps_tuned", "mean_maps_rankseg"]
THRESHOLDS = {"base": [0.4], "mean_maps": [0.3], "map_b": [0.6], "map_c": [0.2]}


@pytest.fixture
def maps() -> MapBatch:
    base, refined, mean, b, c = DRAW.normal(0, 2, (5, 2, 12, 12)).astype(np.float32)
    masks = DRAW.integers(0, 2, (2, 12, 12)).astype(np.uint8)
    return MapBatch(base, refined, masks, others={"mean_maps": mean, "map_c": c, "map_b": b})


def test_each_model_and_the_mean_are_thresholded_at_a_half_and_at_their_tuned_thresholds(maps: MapBatch) -> None:
    found = table.predictions(maps, Tuned(THRESHOLDS, 4))
    for name, values in maps.others.items():
        assert np.array_equal(found[name].masks, values > 0)
        assert found[name].probabilities == pytest.approx(expit(values))
        tuned = found["mean_maps_tuned" if name == "mean_maps" else f"tuned_{name}"]
        assert np.array_equal(tuned.masks, values > logit(np.float32(THRESHOLDS[name][0])))
    ranked = rankseg_masks(expit(maps.others["mean_maps"]))
    assert np.array_equal(found["mean_maps_rankseg"].masks, ranked == 1)


def test_they_stand_between_the_base_models_methods_and_the_refiner(maps: MapBatch) -> None:
    found = table.predictions(maps, Tuned(THRESHOLDS, 4))
    expected = ["base", "tuned_threshold", "rankseg", *ALONE, *MEAN, "refined", "patch_oracle"]
    assert table.in_order(reversed(found)) == expected
    assert table.without_training(found) == expected[:-2]


def test_one_model_has_none_of_them(maps: MapBatch) -> None:
    found = table.predictions(MapBatch(maps.base, maps.refined, maps.masks), Tuned({"base": [0.5]}, 4))
    assert {*ALONE, *MEAN}.isdisjoint(found)


def test_classes_are_those_of_the_highest_mean_logit() -> None:
    base, refined, mean, b = DRAW.normal(0, 2, (4, 6, 8, 8)).astype(np.float32)
    others = {"mean_maps": mean, "map_b": b}
    thresholds = {name: [0.5, 0.2, 0.7] for name in ("base", *others)}
    found = table.predictions(
        MapBatch(base, refined, (base > 0).astype(np.uint8), others=others), Tuned(thresholds, 4), 3
    )
    for name, values in others.items():
        stacked = values.reshape(2, 3, 8, 8)
        masks = found[name].masks.reshape(2, 3, 8, 8)
        assert np.array_equal(masks.argmax(1), stacked.argmax(1))
        tuned = found["mean_maps_tuned" if name == "mean_maps" else f"tuned_{name}"].masks.reshape(2, 3, 8, 8)
        margins = stacked - logit(np.float32(thresholds[name]))[:, None, None]
        assert np.array_equal(tuned.argmax(1), margins.argmax(1))
    assert (found["mean_maps_rankseg"].masks.reshape(2, 3, 8, 8).sum(1) == 1).all()


def test_a_label_may_begin_or_end_like_the_names_of_methods() -> None:
    for label in ("tuned", "map_tuned", "mean_maps"):
        assert table.method(f"map_{label}").tuned_on is None
        assert table.method(f"tuned_map_{label}").tuned_on == f"map_{label}"
    with pytest.raises(KeyError):
        table.method("another")


def test_reports_name_them_and_compare_the_refiner_with_them() -> None:
    assert method_label("map_isnet_1024", {}) == "isnet_1024 alone"
    assert method_label("tuned_map_isnet_1024", {}) == "isnet_1024 with one tuned threshold"
    gain = {"iou_micro": 0.1}
    gains = {"vs_map_b": gain, "vs_base": gain, "vs_best_free": gain, "vs_mean_maps": gain, "images_worse_pct": 3.0}
    assert list(measured_gains(gains)) == ["base", "map_b", "mean_maps"]


def test_reports_say_that_the_guard_selected_the_mean() -> None:
    guard = {"start": 1.0, "strength": 0.0, "rankseg": 1.0}
    assert free_parts(guard) == ["TTA", "RankSEG"]
    assert free_parts(guard | {"several_maps": 1.0}) == ["the mean of all maps", "RankSEG"]
    assert free_parts(guard | {"tta_scales": 1.0}) == ["TTA (flips and scales)", "RankSEG"]
