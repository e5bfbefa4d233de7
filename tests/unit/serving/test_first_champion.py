"""A predictor that is worth little does not become the first champion."""

from typing import Any

import numpy as np
import pytest

from prn_pipeline.serving.first_champion import FirstChampionSettings, shortcoming

DEFAULT = FirstChampionSettings()
GOOD: dict[str, Any] = {"gain": {"vs_best_free": {"method": "tta", "iou_micro": 0.02, "ci95": [0.01, 0.03]}}}


def counts(hit: int, false: int, missed: int, background: int = 9000) -> np.ndarray:
    """int64 (4, 1, 6) of four equal images."""
    return np.tile(np.array([hit, false, missed, background - false, 0, 0]), (4, 1, 1))


def test_a_good_predictor_may_become_champion() -> None:
    assert shortcoming(counts(800, 100, 200), GOOD, DEFAULT) is None
    assert shortcoming(counts(800, 100, 200), {}, DEFAULT) is None


@pytest.mark.parametrize("hit", [0, 40])
def test_a_predictor_that_finds_nearly_nothing_is_refused(hit: int) -> None:
    found = shortcoming(counts(hit, 0, 1000 - hit), GOOD, DEFAULT)
    assert found is not None
    assert f"iou_micro is {hit / 1000:.3f} on 4 test images, below the least of 0.05" in found
    assert "`promotion.first_champion.least_iou`" in found


def test_the_least_iou_is_a_setting() -> None:
    weak = counts(120, 0, 880)
    assert shortcoming(weak, GOOD, DEFAULT) is None
    assert shortcoming(weak, GOOD, FirstChampionSettings(least_iou=0.2)) is not None


def test_masks_that_are_all_foreground_are_refused() -> None:
    found = shortcoming(counts(4000, 6000, 0, 6000), GOOD, DEFAULT)
    assert found is not None
    assert "iou_micro is 0.400 on 4 test images, but predicting one class everywhere has 0.400" in found
    assert shortcoming(counts(4000, 5999, 0, 6000), GOOD, DEFAULT) is None
    allowed = FirstChampionSettings(checks=("constant_base", "best_free"))
    assert shortcoming(counts(4000, 6000, 0, 6000), GOOD, allowed) is None


def test_a_test_set_without_background_refuses_nobody() -> None:
    assert shortcoming(counts(900, 0, 100, 0), GOOD, DEFAULT) is None


def test_one_class_everywhere_is_refused() -> None:
    background = [6000, 3000, 0, 0, 0, 0]
    absent = [0, 0, 1500, 7500, 0, 0]
    everything = np.array([[background, absent, absent]] * 4)
    found = shortcoming(everything, GOOD, DEFAULT)
    assert found is not None
    assert f"one class everywhere has {6000 / 9000 / 3:.3f}" in found


def test_a_base_model_that_predicts_nothing_is_refused() -> None:
    found = shortcoming(counts(800, 100, 200), GOOD | {"base_predicts": "nothing"}, DEFAULT)
    assert found is not None
    assert "its base model predicts nothing: train it longer" in found
    allowed = FirstChampionSettings(checks=("constant", "best_free"))
    assert shortcoming(counts(800, 100, 200), GOOD | {"base_predicts": "nothing"}, allowed) is None


def test_a_base_model_whose_maps_may_be_misread_is_refused() -> None:
    doubted = GOOD | {"doubted_maps": True}
    found = shortcoming(counts(800, 100, 200), doubted, DEFAULT)
    assert found is not None
    assert found.startswith("the maps of its base model may be misread, as its report says")
    assert "leave doubted_maps out of `promotion.first_champion.checks`" in found
    allowed = FirstChampionSettings(checks=("constant", "best_free"))
    assert shortcoming(counts(800, 100, 200), doubted, allowed) is None


def test_a_predictor_worse_than_a_method_without_training_is_refused() -> None:
    free = {"method": "tuned_threshold", "iou_micro": -0.02, "ci95": [-0.03, -0.01]}
    found = shortcoming(counts(800, 100, 200), {"gain": {"vs_best_free": free}}, DEFAULT)
    assert found is not None
    assert "worse than tuned_threshold, which needs no training, by 2.00 points of iou_micro [-3.00, -1.00]" in found
    chance = free | {"ci95": [-0.05, 0.01]}
    assert shortcoming(counts(800, 100, 200), {"gain": {"vs_best_free": chance}}, DEFAULT) is None
    allowed = FirstChampionSettings(checks=("constant_base", "constant"))
    assert shortcoming(counts(800, 100, 200), {"gain": {"vs_best_free": free}}, allowed) is None


def test_a_loss_within_the_tolerance_is_no_reason_however_significant() -> None:
    loss = {"method": "tta", "iou_micro": -0.0007, "ci95": [-0.0009, -0.0005]}
    good = counts(800, 100, 200)
    assert shortcoming(good, {"gain": {"vs_best_free": loss}}, DEFAULT) is None
    found = shortcoming(good, {"gain": {"vs_best_free": loss}}, FirstChampionSettings(best_free_tolerance=0.0005))
    assert found is not None
    assert "worse than tta" in found
    more = {"method": "tta", "iou_micro": -0.0051, "ci95": [-0.006, -0.004]}
    assert shortcoming(good, {"gain": {"vs_best_free": more}}, DEFAULT) is not None


def test_too_small_a_test_set_is_a_reason_before_all_others() -> None:
    found = shortcoming(counts(0, 0, 1000), GOOD, DEFAULT, "4 images are left")
    assert found == ("4 images are left (to allow it, leave smallest_test out of `promotion.first_champion.checks`)")
    assert shortcoming(counts(800, 100, 200), GOOD, FirstChampionSettings(checks=()), "4 images are left") is None
