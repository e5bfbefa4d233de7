"""The headline claims what its interval allows, and no more."""

from collections.abc import Callable
from typing import Any

import pytest

from prn_pipeline.reporting.gains import outcome
from prn_pipeline.reporting.headline import headline

RUN = {"dataset": "d", "base_model": "m", "refiner": "prn", "seed": 0}
Scores = Callable[..., dict[str, Any]]


def test_a_gain_above_zero_is_called_better(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.0089, [0.001, 0.0171]))
    assert found.sentence == "PRN 0.712 vs one tuned threshold 0.703: +0.9 points [0.1, 1.7], n=40"
    assert found.verdict == (
        "PRN is better than the best method that needs no training: the 95 % interval lies above zero."
    )


def test_the_gain_over_the_base_model_stands_beside_it(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.0089, [0.001, 0.0171]))
    assert found.over_base == "Over the base model (p > 0.5) 0.701: +1.1 points [0.4, 1.9]."


def test_where_the_base_model_is_the_best_free_method_its_gain_is_not_repeated(make_scores: Scores) -> None:
    scores = make_scores(0.0089, [0.001, 0.0171])
    scores["gain"]["vs_best_free"] = {"method": "base"} | scores["gain"]["vs_base"]
    found = headline(RUN, scores)
    assert found.sentence == "PRN 0.712 vs base model 0.701: +1.1 points [0.4, 1.9], n=40"
    assert found.over_base == ""


def test_of_several_classes_the_base_model_takes_the_most_probable(make_scores: Scores) -> None:
    scores = make_scores(0.0089, [0.001, 0.0171])
    scores["methods"]["base"]["classes"] = {"sky": {}}
    assert headline(RUN, scores).over_base.startswith("Over the base model (most probable class) 0.701")


def test_a_gain_over_the_base_model_alone_is_not_called_better(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.001, [-0.004, 0.006]))
    assert found.outcome == "same"
    assert "better" not in found.sentence + found.over_base + found.verdict


def test_intervals_over_video_frames_are_said_to_be_too_narrow(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.0089, [0.001, 0.0171]) | {"video": True})
    assert found.verdict.endswith(
        "The images look like video frames: the intervals treat them as independent and are therefore too narrow."
    )


def test_an_interval_that_contains_zero_is_no_measurable_difference(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.002, [-0.005, 0.009]))
    assert found.sentence == "PRN 0.705 vs one tuned threshold 0.703: +0.2 points [−0.5, 0.9], n=40"
    assert found.verdict.startswith("No measurable difference")
    assert "better" not in found.verdict


def test_a_loss_is_called_a_loss(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(-0.011, [-0.019, -0.004]))
    assert found.sentence == "PRN 0.692 vs one tuned threshold 0.703: −1.1 points [−1.9, −0.4], n=40"
    assert found.verdict.startswith("PRN is worse than the best method that needs no training")


def test_without_an_interval_nothing_is_claimed(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.0089, None))
    assert found.sentence == "PRN 0.712 vs one tuned threshold 0.703: +0.9 points, n=40"
    assert found.verdict.startswith("No claim")


def test_without_scores_the_sentence_says_so() -> None:
    assert headline(RUN, {}).sentence == "PRN vs base model: gain not measured"


def test_another_baseline_that_does_as_well_is_named(make_scores: Scores) -> None:
    scores = make_scores(0.0089, [0.001, 0.0171])
    scores["gain"]["vs_tta"] = {"iou_micro": 0.001, "ci95": [-0.004, 0.006], "p": 0.7}
    scores["gain"]["vs_rankseg"] = {"iou_micro": -0.02, "ci95": [-0.03, -0.01], "p": 0.0}
    verdict = headline(RUN, scores).verdict
    assert "TTA (flips), which needs no training, cannot be told apart from PRN" in verdict
    assert "(PRN minus it: +0.1 points [−0.4, 0.6])" in verdict
    assert "RankSEG, which needs no training, does better" in verdict


def test_another_refiner_goes_by_its_own_name(make_scores: Scores) -> None:
    found = headline({**RUN, "refiner": "bias_field"}, make_scores(0.0089, [0.001, 0.0171]))
    assert found.sentence.startswith("bias_field 0.712 vs one tuned threshold")


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
