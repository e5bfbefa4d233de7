"""The headline claims what its interval allows, and no more."""

from collections.abc import Callable
from typing import Any

import pytest

from prn_pipeline.reporting.headline import headline, outcome

CELL = {"dataset": "d", "base_model": "m", "refiner": "prn", "seed": 0}
Scores = Callable[..., dict[str, Any]]


def test_a_gain_above_zero_is_a_gain(make_scores: Scores) -> None:
    found = headline(CELL, make_scores(0.0112, [0.0041, 0.0189]))
    assert found.sentence == "PRN 0.712 vs base 0.701: +1.1 points [0.4, 1.9], n=40"
    assert found.reading == "PRN is better here: the 95 % interval lies above zero."


def test_intervals_over_frames_of_videos_are_said_to_be_too_narrow(make_scores: Scores) -> None:
    found = headline(CELL, make_scores(0.0112, [0.0041, 0.0189]) | {"video": True})
    assert found.reading.endswith(
        "The images look like frames of videos: intervals take them for independent, and are too narrow."
    )


def test_an_interval_with_zero_in_it_is_no_measurable_difference(make_scores: Scores) -> None:
    found = headline(CELL, make_scores(0.002, [-0.005, 0.009]))
    assert found.sentence == "PRN 0.703 vs base 0.701: +0.2 points [−0.5, 0.9], n=40"
    assert found.reading.startswith("No measurable difference")
    assert "better" not in found.reading


def test_a_loss_is_called_a_loss(make_scores: Scores) -> None:
    found = headline(CELL, make_scores(-0.011, [-0.019, -0.004]))
    assert found.sentence == "PRN 0.690 vs base 0.701: −1.1 points [−1.9, −0.4], n=40"
    assert found.reading.startswith("PRN is worse here")


def test_without_an_interval_nothing_is_claimed(make_scores: Scores) -> None:
    found = headline(CELL, make_scores(0.0112, None))
    assert found.sentence == "PRN 0.712 vs base 0.701: +1.1 points, n=40"
    assert found.reading.startswith("No claim")


def test_without_scores_the_sentence_says_so() -> None:
    assert headline(CELL, {}).sentence == "PRN vs base: gain not measured"


def test_a_rival_that_costs_nothing_and_does_as_well_is_named(make_scores: Scores) -> None:
    scores = make_scores(0.0112, [0.0041, 0.0189])
    scores["gain"]["vs_tuned_threshold"] = {"iou_micro": 0.001, "ci95": [-0.004, 0.006], "p": 0.7}
    scores["gain"]["vs_rankseg"] = {"iou_micro": -0.02, "ci95": [-0.03, -0.01], "p": 0.0}
    reading = headline(CELL, scores).reading
    assert "One tuned threshold, which needs no training, cannot be told apart from PRN" in reading
    assert "(PRN minus it: +0.1 points [−0.4, 0.6])" in reading
    assert "RankSEG, which needs no training, does better" in reading


def test_another_refiner_goes_by_its_own_name(make_scores: Scores) -> None:
    found = headline({**CELL, "refiner": "bias_field"}, make_scores(0.0112, [0.0041, 0.0189]))
    assert found.sentence.startswith("bias_field 0.712 vs base")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([0.0, 0.02], "same"),
        ([-0.02, 0.0], "same"),
        ([1e-6, 0.02], "better"),
        ([-0.02, -1e-6], "worse"),
        ([float("nan"), 0.02], "unknown"),
        ([], "unknown"),
    ],
)
def test_zero_on_the_edge_of_an_interval_counts_as_inside(ends: list[float], expected: str) -> None:
    assert outcome({"iou_micro": 0.01, "ci95": ends}) == expected
