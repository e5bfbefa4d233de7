"""Every entry of a comparison, which promotion.json and people read, and the reason in full."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.metrics.paired_units import by_unit, lower_bound, margin_of_error, unit_gain
from prn_pipeline.metrics.scores import mean_iou
from prn_pipeline.serving import comparison as module
from prn_pipeline.serving.comparison import Units, compare
from prn_pipeline.serving.looks import alpha_of
from prn_pipeline.serving.slices import is_worse, slices
from tests.unit.serving.test_comparison import SETTINGS, counts, some_images


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.5, 0.9, 90)


def pair(base: np.ndarray, change: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(2).normal(0, 0.02, len(base))
    return counts(np.clip(base + change + noise, 0, 1)), counts(base)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("look", [1, 4])
def test_a_comparison_has_all_of_its_numbers(base: np.ndarray, grouped: bool, look: int) -> None:
    challenger, champion = pair(base)
    images = some_images().assign(group=np.arange(90) // 3) if grouped else some_images()
    settings = SETTINGS.model_copy(update={"margin": 0.004, "slices": ()})
    found = compare(challenger, champion, images, (), settings, look)
    groups = images["group"].to_numpy()
    units = by_unit(challenger, groups), by_unit(champion, groups)
    alpha = alpha_of(look, 0.05)
    assert {key: value for key, value in found.items() if key != "why"} == {
        "promoted": True,
        "images": 90,
        "units": 30 if grouped else 90,
        "unit": "group" if grouped else "image",
        "look": look,
        "alpha": alpha,
        "margin": 0.004,
        "iou_micro": {
            "challenger": float(mean_iou(challenger.sum(0))),
            "champion": float(mean_iou(champion.sum(0))),
        },
        "gain": unit_gain(*units),
        "lower_bound": lower_bound(*units, alpha),
        "slices": [],
    }
    assert list(found)[:2] == ["promoted", "why"]


@pytest.mark.parametrize("size", [3, 15])
def test_a_slice_is_compared_over_the_groups_within_it_and_a_group_over_its_images(base: np.ndarray, size: int) -> None:
    challenger, champion = pair(base)
    images = some_images().assign(group=np.arange(90) // size)
    found = compare(challenger, champion, images, (), SETTINGS)["slices"]
    expected = slices(images, SETTINGS.slices, SETTINGS.smallest_slice)
    assert [(entry["by"], entry["slice"]) for entry in found] == list(expected)
    groups = images["group"].to_numpy()
    for entry, ((by, _), chosen) in zip(found, expected.items(), strict=True):
        assert set(entry) == {"by", "slice", "images", "gain", "worse"}
        assert entry["images"] == chosen.sum()
        units = None if by == "group" else groups[chosen]
        assert entry["gain"] == unit_gain(by_unit(challenger[chosen], units), by_unit(champion[chosen], units))
        assert entry["worse"] is False
    assert any(by == "group" for by, _ in expected) == (size == 15)


def test_a_class_is_a_slice_of_the_images_that_show_it(base: np.ndarray) -> None:
    road = pair(base)
    car = pair(base, 0.1)
    challenger, champion = (np.concatenate(both, axis=1) for both in zip(road, car, strict=True))
    challenger[20:, 1, [0, 2]] = champion[20:, 1, [0, 2]] = 0  # cars in twenty images
    settings = SETTINGS.model_copy(update={"slices": ()})
    found = compare(challenger, champion, some_images(), ("road", "car"), settings)["slices"]
    assert [(entry["by"], entry["slice"], entry["images"]) for entry in found] == [
        ("class", "road", 90),
        ("class", "car", 20),
    ]
    for number, entry in enumerate(found):
        columns = slice(number, number + 1)
        chosen = slice(0, entry["images"])
        assert entry["gain"] == unit_gain(challenger[chosen, columns], champion[chosen, columns])
    for smallest, names in ((20, ["road", "car"]), (21, ["road"])):
        fewer = settings.model_copy(update={"smallest_slice": smallest})
        compared = compare(challenger, champion, some_images(), ("road", "car"), fewer)["slices"]
        assert [entry["slice"] for entry in compared] == names


def test_slices_share_the_level_at_which_a_loss_is_significant(
    base: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger, champion = pair(base)
    levels, judged = [], []

    def recorded(*arguments: Any) -> float:
        levels.append(arguments[2])
        return margin_of_error(*arguments)

    def worse(*arguments: float) -> bool:
        judged.append(arguments)
        return is_worse(*arguments)

    monkeypatch.setattr(module, "margin_of_error", recorded)
    monkeypatch.setattr(module, "is_worse", worse)
    settings = SETTINGS.model_copy(update={"slices": ("image_size", "mask_size"), "slice_tolerance": 0.03})
    found = compare(challenger, champion, some_images(), (), settings)["slices"]
    assert len(found) == 7
    assert levels == pytest.approx([0.025 / 7] * 7)
    for entry, (gain, highest, tolerance) in zip(found, judged, strict=True):
        assert (gain, tolerance) == (entry["gain"]["iou_micro"], 0.03)
        assert highest > entry["gain"]["ci95"][1], "a stricter level than that of one slice alone"


@pytest.mark.parametrize(
    ("gain", "highest", "worse"),
    [(-0.02, 0.1, True), (-0.01, 0.1, False), (0.0, 0.1, False), (-0.001, -0.0001, True), (-0.001, 0.0, False)],
)
def test_a_slice_is_worse_if_its_loss_is_significant_or_large(gain: float, highest: float, worse: bool) -> None:
    assert is_worse(gain, highest, 0.01) is worse


class Given:
    """Replaces the statistics of a comparison by given numbers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch.setattr

    def __call__(self, lowest: float, p: float, **settings: Any) -> dict[str, Any]:
        gain = {"iou_micro": 0.0512, "ci95": [-0.0134, 0.0987], "p": p}
        self._patch(module, "unit_gain", lambda *_: gain)
        self._patch(module, "lower_bound", lambda *_: lowest)
        images = some_images(30).assign(**settings.pop("images", {}))
        chosen = SETTINGS.model_copy(update={"slices": (), "margin": 0.01} | settings)
        return compare(counts(np.full(30, 0.7)), counts(np.full(30, 0.6)), images, (), chosen, 2)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    return Given(monkeypatch)


GAIN = "+5.12 points of iou_micro [-1.34, +9.87]"
TESTED = f"{GAIN} over 30 images; comparison 2 with this champion, at an error probability of 0.0068: lower bound"


@pytest.mark.parametrize(
    ("lowest", "p", "promoted", "why"),
    [
        (0.02, 0.006, True, f"{TESTED} +2.00, p 0.006, and no slice is worse"),
        (0.02, 0.0069, False, f"{TESTED} +2.00, p 0.0069: not significant"),
        (0.01, 0.001, False, f"{TESTED} +1.00, p 0.001: the lower bound is not above the margin of 1"),
        (-0.5, 0.9, False, f"{TESTED} -50.00, p 0.9: the lower bound is not above the margin of 1"),
    ],
)
def test_both_tests_have_to_agree_and_the_reason_names_the_one_that_does_not(
    given: Given, lowest: float, p: float, promoted: bool, why: str
) -> None:
    found = given(lowest, p)
    assert (found["promoted"], found["why"]) == (promoted, why)


def test_a_p_at_the_level_is_enough(given: Given) -> None:
    alpha = alpha_of(2, 0.05)
    assert given(0.02, alpha)["promoted"]
    assert not given(0.02, np.nextafter(alpha, 1))["promoted"]


def test_the_reason_counts_groups_and_their_images(given: Given) -> None:
    groups = {"group": np.arange(30) // 2}
    found = given(0.02, 0.001, images=groups, smallest_test=15)
    assert f"{GAIN} over 15 groups (30 images); comparison 2 with" in found["why"]


def test_the_reason_lists_every_slice_that_is_worse(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "margin_of_error", lambda *_: -1.0)
    found = given(0.02, 0.001, slices=("image_size",), images={"native_height": np.tile([100, 200, 300], 10)})
    assert found["why"].endswith(
        ", p 0.001, but worse in image_size small +5.12, image_size medium +5.12, image_size large +5.12"
    )
    assert not found["promoted"]


def test_a_comparison_that_decides_nothing_has_no_number_and_says_why(given: Given) -> None:
    with pytest.raises(ValueError, match=r"^a comparison that can promote needs its number$"):
        compare(*pair(np.full(30, 0.7)), some_images(30), (), SETTINGS, None)
    both = pair(np.full(19, 0.7))
    found = compare(*both, some_images(30)[:19], (), SETTINGS, None)
    assert found["lower_bound"] == lower_bound(*both, alpha_of(1, 0.05)), "as in a first comparison"
    assert (found["look"], found["alpha"], found["promoted"]) == (None, None, False)
    found = given(0.02, 0.001, smallest_test=31)
    assert found["why"] == (
        f"{GAIN}, but 30 images that neither has learned from are left of the test set: 31 are needed"
    )


def test_the_units_of_a_test_set_are_its_groups() -> None:
    images = some_images(30)
    alone, grouped = Units(images), Units(images.assign(group=np.arange(30) // 3))
    assert (alone.number, alone.kind, alone.unknown) == (30, "image", False)
    assert (grouped.number, grouped.kind, grouped.unknown) == (10, "group", False)
    assert Units(images.assign(video=[True] + [False] * 29)).unknown
    assert not Units(images.assign(video=False)).unknown
    assert grouped.why_not(30, SETTINGS) == (
        "10 groups (30 images) that neither has learned from are left of the test set: 20 are needed"
    )
    assert alone.why_not(30, SETTINGS) is None
    assert Units(images.assign(video=True)).why_not(30, SETTINGS) == (
        "the test images look like frames of videos, but their groups are unknown: set `split.group` of the data set,"
        " or `promotion.comparison.frames_are_units: true` if they are not frames"
    )


def test_only_the_criteria_of_the_settings_make_slices() -> None:
    images = some_images().assign(group=np.arange(90) // 30)
    by_criterion = {name: slices(images, (name,), 10) for name in ("image_size", "mask_size", "group")}
    for name, found in by_criterion.items():
        assert {by for by, _ in found} == {name}
    assert [name for _, name in by_criterion["group"]] == ["0", "1", "2"]
    assert [name for _, name in by_criterion["mask_size"]] == ["empty", "small", "medium", "large"]
    wide = images.assign(native_height=100, native_width=np.tile([10, 20, 30], 30))
    assert [found.sum() for found in slices(wide, ("image_size",), 10).values()] == [30, 30, 30], "pixels, not rows"
    pd.testing.assert_frame_equal(images, some_images().assign(group=np.arange(90) // 30))
    assert ("image_size", "small") in slices(images, ("image_size",), 30)
    assert slices(images, ("image_size",), 31) == {}
