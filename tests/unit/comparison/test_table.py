"""The table of comparison methods: names, order, and predictions against plain NumPy."""

from collections.abc import Sequence

import numpy as np
import pytest
from rankseg import RankSEG
from scipy.special import expit, logit, softmax
from torch import Tensor, from_numpy

from prn_pipeline.comparison import table
from prn_pipeline.comparison.components import COMPONENT, HOLE
from prn_pipeline.comparison.method import MapBatch, Prediction, Tuned, TunedMap
from prn_pipeline.comparison.tuned_threshold import MIN_THRESHOLD
from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.refinement.baselines.components import without_small_components

CLASSES = 3
PATCH = 4
SIDE = 12
WITHOUT_TTA = ["base", "tuned_threshold", "rankseg", "refined", "patch_oracle"]
HALVES: dict[TunedMap, list[float]] = {"base": [0.5], "tta": [0.5], "tta_scales": [0.5]}
SIZES = {"components": {COMPONENT: 0.05, HOLE: 0.02}, "components_tuned": {COMPONENT: 0.02, HOLE: 0.1}}


def random_logits(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (count, SIDE, SIDE)).astype(np.float32)


@pytest.fixture
def maps() -> MapBatch:
    """Two images with foreground; some pixels are ignored."""
    masks = np.random.default_rng(0).choice(np.array([0, 1, 255], np.uint8), (2, SIDE, SIDE), p=[0.6, 0.3, 0.1])
    return MapBatch(random_logits(1, 2), random_logits(2, 2), masks, random_logits(3, 2), random_logits(4, 2))


@pytest.fixture
def class_maps() -> MapBatch:
    """Two images with three classes."""
    ids = np.random.default_rng(0).integers(0, CLASSES, (2, SIDE, SIDE))
    masks = (ids[:, None] == np.arange(CLASSES)[:, None, None]).astype(np.uint8).reshape(-1, SIDE, SIDE)
    base, refined, tta, tta_scales = (random_logits(seed, 2 * CLASSES) for seed in (1, 2, 3, 4))
    return MapBatch(base, refined, masks, tta, tta_scales)


def by_image(maps: np.ndarray) -> np.ndarray:
    return maps.reshape(-1, CLASSES, SIDE, SIDE)


def ids_of(prediction: Prediction) -> np.ndarray:
    """Class ids (N,H,W) of a prediction, which must have exactly one class at each pixel."""
    masks = by_image(prediction.masks)
    assert (masks.sum(1) == 1).all()
    return masks.argmax(1)


def loop_argmax(scores: np.ndarray) -> np.ndarray:
    """Class ids (N,H,W) of scores (N,C,H,W), pixel by pixel."""
    ids = np.zeros((len(scores), SIDE, SIDE), int)
    for image, row, column in np.ndindex(*ids.shape):
        values = [float(score) for score in scores[image, :, row, column]]
        ids[image, row, column] = values.index(max(values))
    return ids


def threshold_loop(logits: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Class ids (N,H,W): the class whose logit exceeds that of its own threshold most, pixel by pixel."""
    clipped = [min(max(threshold, MIN_THRESHOLD), 1 - MIN_THRESHOLD) for threshold in thresholds]
    bounds = [float(logit(np.float32(threshold))) for threshold in clipped]
    return loop_argmax(np.stack([by_image(logits)[:, k] - bounds[k] for k in range(CLASSES)], axis=1))


def library_rankseg(probabilities: Tensor, output_mode: str) -> np.ndarray:
    return RankSEG(metric="iou", output_mode=output_mode, solver="RMA").predict(probabilities).numpy()


def foreground_rankseg(logits: np.ndarray) -> np.ndarray:
    return np.stack(
        [library_rankseg(image[None, None], "multilabel")[0, 0] == 1 for image in from_numpy(expit(logits))]
    )


def class_rankseg(logits: np.ndarray) -> np.ndarray:
    one_vs_rest = expit(by_image(logits))
    probabilities = from_numpy(one_vs_rest / one_vs_rest.sum(1, keepdims=True))
    return np.concatenate([library_rankseg(image[None], "multiclass") for image in probabilities])


def best_patch_masks(logits: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The best of 20 thresholds for each patch, by brute force."""
    found = np.zeros(logits.shape, bool)
    probabilities = expit(logits)
    for image, row, column in np.ndindex(len(logits), SIDE // PATCH, SIDE // PATCH):
        window = (image, slice(row * PATCH, (row + 1) * PATCH), slice(column * PATCH, (column + 1) * PATCH))
        valid, truth = masks[window] != 255, masks[window] == 1
        best = -1.0
        for k in range(1, 21):
            foreground = (probabilities[window] > np.float32(k / 20)) & valid
            score = ((foreground & truth).sum() + 1) / ((foreground | truth).sum() + 1)
            if score > best:
                best, found[window] = score, foreground
    return found


def test_names_and_labels_are_unique() -> None:
    for attribute in ("name", "label", "short_label", "gain_key"):
        values = [getattr(method, attribute) for method in table.METHODS]
        assert len(set(values)) == len(values), attribute


def test_the_order_is_that_of_reports() -> None:
    assert table.names() == [
        *("base", "tuned_threshold", "rankseg", "components", "components_tuned"),
        *("tta", "tta_tuned", "tta_rankseg", "tta_scales", "tta_scales_tuned", "refined", "patch_oracle"),
    ]


def test_exactly_one_method_is_the_base_model_and_one_the_refiner() -> None:
    assert table.names("base") == ["base"]
    assert table.names("refined") == ["refined"]
    assert table.names("bound") == ["patch_oracle"]
    assert table.names("base", "baseline") == table.names()[:-2]


def test_a_method_is_found_by_its_name_and_an_unknown_name_is_an_error() -> None:
    assert all(table.method(method.name) is method for method in table.METHODS)
    assert table.method("tta").gain_key == "vs_tta"
    with pytest.raises(KeyError):
        table.method("prn")


def test_in_order_sorts_known_names_and_keeps_the_order_of_unknown_ones() -> None:
    assert table.in_order(["refined", "zeta", "base", "alpha"]) == ["base", "refined", "zeta", "alpha"]
    assert table.in_order(reversed(table.names())) == table.names()
    assert table.in_order([]) == []


def test_methods_predict_foreground_as_plain_numpy_does(maps: MapBatch) -> None:
    assert maps.tta is not None
    assert maps.tta_scales is not None
    found = table.predictions(maps, Tuned({"base": [0.3], "tta": [0.8], "tta_scales": [0.6]}, PATCH, SIZES))
    expected = {
        "base": maps.base > 0,
        "tuned_threshold": expit(maps.base) > np.float32(0.3),
        "rankseg": foreground_rankseg(maps.base),
        "components": without_small_components(maps.base > 0, 0.05, 0.02),
        "components_tuned": without_small_components(expit(maps.base) > np.float32(0.3), 0.02, 0.1),
        "tta": maps.tta > 0,
        "tta_tuned": expit(maps.tta) > np.float32(0.8),
        "tta_rankseg": foreground_rankseg(maps.tta),
        "tta_scales": maps.tta_scales > 0,
        "tta_scales_tuned": expit(maps.tta_scales) > np.float32(0.6),
        "refined": maps.refined > 0,
        "patch_oracle": best_patch_masks(maps.base, maps.masks),
    }
    assert list(found) == list(expected) == table.names()
    for name, masks in expected.items():
        assert found[name].masks.dtype == bool, name
        assert (found[name].masks == masks).all(), name
    logits = {"base": maps.base, "tta": maps.tta, "tta_scales": maps.tta_scales, "refined": maps.refined}
    assert {name for name, prediction in found.items() if prediction.probabilities is not None} == set(logits)
    for name, values in logits.items():
        assert (found[name].probabilities == expit(values)).all(), name


def test_methods_predict_one_class_per_pixel_as_plain_numpy_does(class_maps: MapBatch) -> None:
    assert class_maps.tta is not None
    assert class_maps.tta_scales is not None
    tuned = Tuned({"base": [0.2, 0.5, 0.8], "tta": [0.9, 0.4, 0.0], "tta_scales": [0.3, 0.1, 0.5]}, PATCH)
    found = table.predictions(class_maps, tuned, CLASSES)
    expected = {
        "base": loop_argmax(by_image(class_maps.base)),
        "tuned_threshold": threshold_loop(class_maps.base, [0.2, 0.5, 0.8]),
        "rankseg": class_rankseg(class_maps.base),
        "tta": loop_argmax(by_image(class_maps.tta)),
        "tta_tuned": threshold_loop(class_maps.tta, [0.9, 0.4, 0.0]),
        "tta_rankseg": class_rankseg(class_maps.tta),
        "tta_scales": loop_argmax(by_image(class_maps.tta_scales)),
        "tta_scales_tuned": threshold_loop(class_maps.tta_scales, [0.3, 0.1, 0.5]),
        "refined": loop_argmax(by_image(class_maps.refined)),
    }
    assert list(found) == list(expected), "components and the patch oracle have no multi-class form"
    for name, ids in expected.items():
        assert (ids_of(found[name]) == ids).all(), name
    probable = {"base": class_maps.base, "tta": class_maps.tta, "tta_scales": class_maps.tta_scales}
    for name, logits in {**probable, "refined": class_maps.refined}.items():
        foreground = expit(by_image(logits).astype(np.float64))
        assert by_image(found[name].probabilities) == pytest.approx(  # type: ignore[arg-type]
            foreground / foreground.sum(1, keepdims=True), abs=1e-6
        )


def test_the_base_model_predicts_the_class_of_the_highest_softmax() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (3, 4, SIDE, SIDE)).astype(np.float32)
    rows = one_vs_rest(from_numpy(logits)).numpy().reshape(-1, SIDE, SIDE)
    masks = (logits.argmax(1)[:, None] == np.arange(4)[:, None, None]).reshape(rows.shape).astype(np.uint8)
    found = table.predictions(MapBatch(rows, -rows, masks), Tuned({"base": [0.5] * 4}, PATCH), classes=4)
    assert list(found) == ["base", "tuned_threshold", "rankseg", "refined"]
    for name, prediction in found.items():
        assert (prediction.masks.reshape(-1, 4, SIDE, SIDE).sum(1) == 1).all(), name
    assert (found["base"].masks == (masks == 1)).all()
    assert found["base"].probabilities is not None
    assert found["base"].probabilities.reshape(logits.shape) == pytest.approx(softmax(logits, 1), abs=1e-5)


@pytest.mark.parametrize("tuned_on", HALVES)
def test_a_tuned_method_uses_the_threshold_of_its_own_map(maps: MapBatch, tuned_on: str) -> None:
    assert {method.tuned_on for method in table.METHODS if method.tuned_on} == set(HALVES)
    before = table.predictions(maps, Tuned(HALVES, PATCH, SIZES))
    after = table.predictions(maps, Tuned(HALVES | {tuned_on: [0.9]}, PATCH, SIZES))  # type: ignore[dict-item]
    changed = {name for name in before if (before[name].masks != after[name].masks).any()}
    assert changed == {method.name for method in table.METHODS if method.tuned_on == tuned_on}


def test_without_tta_maps_the_methods_on_tta_are_omitted(maps: MapBatch, class_maps: MapBatch) -> None:
    without = MapBatch(maps.base, maps.refined, maps.masks)
    assert list(table.predictions(without, Tuned({"base": [0.5]}, PATCH))) == WITHOUT_TTA
    of_classes = MapBatch(class_maps.base, class_maps.refined, class_maps.masks)
    found = table.predictions(of_classes, Tuned({"base": [0.5] * CLASSES}, PATCH), CLASSES)
    assert list(found) == [name for name in WITHOUT_TTA if name != "patch_oracle"]


def test_equal_class_thresholds_change_no_prediction(class_maps: MapBatch) -> None:
    for threshold in (0.5, 0.1):
        found = table.predictions(class_maps, Tuned({name: [threshold] * 3 for name in HALVES}, PATCH), CLASSES)
        assert (ids_of(found["tuned_threshold"]) == ids_of(found["base"])).all()
        assert (ids_of(found["tta_tuned"]) == ids_of(found["tta"])).all()


def test_a_class_threshold_of_zero_or_one_gives_a_finite_margin(class_maps: MapBatch) -> None:
    low = table.predictions(
        class_maps, Tuned({name: [0.5] * 3 for name in HALVES} | {"base": [0.0, 0.5, 0.5]}, PATCH), CLASSES
    )
    ids = ids_of(low["tuned_threshold"])
    assert (ids == 0).mean() > 0.8, "a low threshold favours its class"
    assert len(np.unique(ids)) > 1, "other classes are still possible"
    high = table.predictions(
        class_maps, Tuned({name: [0.5] * 3 for name in HALVES} | {"base": [1.0, 0.5, 0.5]}, PATCH), CLASSES
    )
    assert (ids_of(high["tuned_threshold"]) == 0).mean() < 0.1
