"""The headline claims what its interval allows, and no more."""

from collections.abc import Callable
from typing import Any

import pytest

from prn_pipeline.reporting.gains import outcome
from prn_pipeline.reporting.headline import headline, log_headline
from prn_pipeline.reporting.next_step import next_step
from prn_pipeline.reporting.tables import gain_rows

RUN = {"dataset": "d", "base_model": "m", "refiner": "prn", "seed": 0}
Scores = Callable[..., dict[str, Any]]


def test_a_gain_above_zero_is_called_better(make_scores: Scores) -> None:
    found = headline(RUN, make_scores(0.0089, [0.001, 0.0171]))
    assert found.sentence == "PRN 0.712 vs one tuned threshold 0.703: +0.9 points [0.1, 1.7], n=40"
    assert found.verdict == (
        "PRN is better than the best method that needs no training: the 95 % interval lies above zero."
        " That method is chosen on the test images themselves, which favours it."
    )
    assert found.outcome == "better"
    assert found.caveats == []


def test_a_gain_that_costs_more_wrong_pixels_is_not_called_better(make_scores: Scores) -> None:
    scores = make_scores(0.0089, [0.001, 0.0171])
    for gain in (scores["gain"]["vs_tuned_threshold"], scores["gain"]["vs_best_free"]):
        gain["wrong_pixels"] = 1234
    found = headline(RUN, scores)
    assert found.outcome == "mixed"
    assert found.verdict.startswith(
        "No claim: the IoU of PRN is higher than that of the best method that needs no training, but it gets 1,234 more"
        " pixels wrong."
    )
    assert "better" not in found.sentence + found.over_base + found.verdict
    verdicts = {row.method: row.verdict for row in gain_rows(RUN, scores)}
    assert verdicts["One tuned threshold"] == "more wrong pixels"
    assert verdicts["RankSEG"] == "better", "each comparison is judged by its own wrong pixels"


@pytest.mark.parametrize(
    ("change", "said"), [(-1234, "with 1,234 fewer wrong pixels"), (0, "with as many wrong pixels")]
)
def test_a_gain_without_more_wrong_pixels_says_how_many(make_scores: Scores, change: int, said: str) -> None:
    scores = make_scores(0.0089, [0.001, 0.0171])
    scores["gain"]["vs_best_free"]["wrong_pixels"] = change
    found = headline(RUN, scores)
    assert found.outcome == "better"
    assert said in found.verdict


@pytest.mark.parametrize("what", ["nothing", "everything", "one class"])
def test_a_base_model_that_predicts_the_same_everywhere_is_a_warning_and_no_victory(
    make_scores: Scores, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    scores = make_scores(0.5, [0.4, 0.6]) | {"base_predicts": what}
    found = headline(RUN, scores)
    assert found.outcome == "warning"
    assert "better" not in found.sentence + found.over_base + found.verdict
    assert found.caveats[0].startswith(f"The base model predicts {what} ")
    assert {(row.verdict, row.outcome) for row in gain_rows(RUN, scores)} == {("no claim", "unknown")}
    log_headline(RUN, scores)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == found.caveats


def test_old_scores_show_a_broken_base_model_by_their_iou(make_scores: Scores) -> None:
    scores = make_scores(0.5, [0.4, 0.6])
    scores["methods"]["base"]["iou_micro"] = 0.0
    assert headline(RUN, scores).outcome == "warning"


def test_a_base_model_that_was_still_improving_flatters_the_gain(make_scores: Scores) -> None:
    ending = {"epochs": 6, "best_epoch": 6, "late_epochs": 2, "late_gain": 0.0529, "converged": False}
    found = headline(RUN, make_scores(0.0089, [0.001, 0.0171]) | {"base_training": ending})
    assert found.caveats == [
        "The base model was still improving when its training ended (validation IoU +5.3 points in the last 2 of 6"
        " epochs). This inflates the gain: longer training of the base model would give part of it."
    ]
    assert found.outcome == "better"
    done = ending | {"converged": True}
    assert headline(RUN, make_scores(0.0089, [0.001, 0.0171]) | {"base_training": done}).caveats == []


@pytest.mark.parametrize(
    ("guard", "instead"),
    [
        ({"start": 0.0, "strength": 0.0, "shift": 0.0}, "the base model as it is"),
        ({"start": 0.0, "strength": 0.0, "shift": 0.25}, "p > 0.44"),
        ({"start": 1.0, "strength": 0.0, "shift": 0.25}, "TTA with p > 0.44"),
        ({"start": 0.0, "strength": 0.0, "shift": 0.0, "rankseg": 1.0}, "RankSEG"),
    ],
)
def test_a_guard_that_applied_no_correction_is_said_to(
    make_scores: Scores, guard: dict[str, float], instead: str
) -> None:
    found = headline(RUN, make_scores(0.0, [-0.001, 0.001]) | {"guard": guard})
    assert found.caveats == [
        "The guard applied no correction, because none was worth more on held-out maps than what needs no training: it"
        f" selected {instead}."
    ]
    corrected = guard | {"strength": 0.5}
    assert headline(RUN, make_scores(0.0, [-0.001, 0.001]) | {"guard": corrected}).caveats == []


def test_one_epoch_is_too_short_to_be_trained_to_the_end(make_scores: Scores) -> None:
    ending = {"epochs": 1, "best_epoch": 1, "late_epochs": 1, "late_gain": None, "converged": False}
    found = headline(RUN, make_scores(0.0089, [0.001, 0.0171]) | {"base_training": ending})
    assert found.caveats[0].startswith("The base model was trained for 1 epoch only")


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
    assert found.caveats == [
        "The images look like video frames: the intervals treat them as independent and are therefore too narrow."
    ]


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


def test_several_other_baselines_that_do_as_well_share_a_sentence(make_scores: Scores) -> None:
    scores = make_scores(0.0089, [0.001, 0.0171])
    for name in ("tta", "tta_scales"):
        scores["gain"][f"vs_{name}"] = {"iou_micro": 0.001, "ci95": [-0.004, 0.006], "p": 0.7}
    for name in ("rankseg", "components"):
        scores["gain"][f"vs_{name}"] = {"iou_micro": -0.02, "ci95": [-0.03, -0.01], "p": 0.0}
    verdict = headline(RUN, scores).verdict
    gain = "+0.1 points [−0.4, 0.6]"
    assert (
        "2 other methods that need no training cannot be told apart from PRN"
        f" (PRN minus TTA (flips): {gain}; TTA (flips and scales): {gain})." in verdict
    )
    assert "2 other methods that need no training do better (PRN minus RankSEG: " in verdict


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


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_gain_without_the_two_scores_that_it_compares_is_no_claim(value: float | None) -> None:
    gain = {"method": "tta", "iou_micro": 0.1, "ci95": [0.05, 0.15], "wrong_pixels": -5}
    methods = {"base": {"iou_micro": 0.5}, "tta": {"iou_micro": 0.6}, "refined": {"iou_micro": 0.7}}
    run = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
    assert headline(run, {"methods": methods, "gain": {"vs_best_free": gain}}).outcome == "better"
    for name in ("tta", "refined"):
        found = headline(run, {"methods": methods | {name: {"iou_micro": value}}, "gain": {"vs_best_free": gain}})
        assert found.outcome == "unknown"
        assert "better" not in found.verdict


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"n_test": 2, "n_independent": 2}, "2 independent test images can show no difference: 6 are needed"),
        ({"n_test": 60, "n_independent": 5}, "5 independent test groups can"),
        ({"n_test": 1}, "1 independent test image can"),
    ],
)
def test_fewer_images_than_can_show_a_difference_are_no_claim(counts: dict[str, int], said: str) -> None:
    gain = {"method": "tta", "iou_micro": 0.1, "ci95": [0.05, 0.15], "wrong_pixels": -5}
    methods = {"base": {"iou_micro": 0.5}, "tta": {"iou_micro": 0.6}, "refined": {"iou_micro": 0.7}}
    run = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
    scores = {"methods": methods, "gain": {"vs_best_free": gain}}
    found = headline(run, scores | counts)
    assert (found.outcome, said in found.verdict) == ("unknown", True)
    of_base = {"gain": {"vs_base": gain}}
    assert [(row.verdict, row.outcome) for row in gain_rows(run, scores | counts | of_base)] == [
        ("no claim", "unknown")
    ]
    assert [row.verdict for row in gain_rows(run, scores | {"n_test": 60} | of_base)] == ["better"]
    assert headline(run, scores | {"n_test": 60, "n_independent": 6}).outcome == "better"


def test_a_warning_about_the_maps_stands_beside_the_gain(make_scores: Scores) -> None:
    warned = make_scores(0.5, [0.4, 0.6]) | {"map_warnings": ["maps: 40 maps say nothing about the true masks."]}
    assert headline(RUN, warned).outcome == "better", "a weak model is no misread one"
    scores = warned | {"doubted_maps": True}
    found = headline(RUN, scores)
    assert (found.outcome, found.caveats[0]) == ("warning", "maps: 40 maps say nothing about the true masks.")
    assert found.verdict.startswith("No claim: the maps may be misread, as the warning below says")
    assert next_step(scores | RUN, found.outcome).command.startswith("kedro run --params dataset=")
    assert "better" not in {row.verdict for row in gain_rows(RUN, scores)}
