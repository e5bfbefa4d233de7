"""Saliency measures against PySODMetrics, and against known values of simple maps."""

import json

import numpy as np
import pytest

from prn_pipeline.metrics.saliency import saliency_measures
from prn_pipeline.metrics.saliency_scores import SALIENCY_SCORES, saliency_scores, saliency_table
from tests.unit.metrics.saliency_reference import FILE, example_maps

MAPS = example_maps()
THEIRS = json.loads(FILE.read_text())


@pytest.mark.parametrize("number", range(len(MAPS)))
def test_every_measure_equals_that_of_an_independent_library(number: int) -> None:
    salient, truth = MAPS[number]
    ours, theirs = saliency_measures(salient, truth.astype(np.uint8)), THEIRS[number]
    for name in ("mae", "weighted_f", "s_measure"):
        if theirs[name] is None:
            assert 0 <= getattr(ours, name) <= 1, name
        else:
            assert getattr(ours, name) == pytest.approx(theirs[name], abs=1e-9), name
    for name in ("f_curve", "e_curve"):
        assert getattr(ours, name)[::15] == pytest.approx(theirs[name], abs=1e-8), name


def test_a_perfect_map_has_perfect_scores() -> None:
    truth = np.zeros((40, 50), np.uint8)
    truth[10:30, 5:25] = 1
    measures = saliency_measures(truth.astype(np.float32), truth)
    scores = saliency_scores(*[saliency_table([measures] * 3)] * 2, resamples=100, seed=0)
    assert measures.mae == 0
    assert {name: round(scores[name], 2) for name in ("f_max", "f_weighted", "s_measure", "e_max")} == {
        "f_max": 1.0,
        "f_weighted": 1.0,
        "s_measure": 1.0,
        "e_max": 1.0,
    }


def test_ignored_pixels_change_nothing() -> None:
    salient, truth = MAPS[0]
    mask = np.where(truth, 1, 0).astype(np.uint8)
    mask[:2] = 255
    blank = np.where(mask == 255, 0, salient)
    one = saliency_measures(salient, mask)
    other = saliency_measures(blank, np.where(mask == 255, 0, mask).astype(np.uint8))
    assert one.s_measure == other.s_measure
    assert (one.f_curve == other.f_curve).all()


def test_scores_of_a_set_come_from_its_mean_curve_and_gains_are_paired() -> None:
    some = [(salient, truth.astype(np.uint8)) for salient, truth in MAPS[:20]]
    better = saliency_table([saliency_measures(0.8 * truth + 0.1 * salient, truth) for salient, truth in some])
    reference = saliency_table([saliency_measures(salient, truth) for salient, truth in some])
    scores = saliency_scores(better, reference, resamples=500, seed=0)
    assert scores["f_max"] == pytest.approx(better[:, 2:258].mean(0).max())
    assert scores["e_mean"] == pytest.approx(better[:, 258:].mean())
    for name in SALIENCY_SCORES:
        low, high = scores[f"{name}_ci95"]
        assert low <= scores[name] <= high
        gain = scores["saliency_vs_base"][name]
        assert gain["ci95"][0] <= gain["gain"] <= gain["ci95"][1]
    assert scores["saliency_vs_base"]["f_weighted"]["ci95"][0] > 0
    with pytest.raises(ValueError, match="the same images"):
        saliency_scores(better, reference[:5], 100, 0)


def test_each_score_is_the_mean_of_its_own_measure_over_the_images() -> None:
    """Maxima are those of the mean curve, at one threshold for all images."""
    measures = [saliency_measures(salient, truth.astype(np.uint8)) for salient, truth in MAPS[:20]]
    table = saliency_table(measures)
    found = saliency_scores(table, table, resamples=10, seed=0)
    f_curves, e_curves = np.array([m.f_curve for m in measures]), np.array([m.e_curve for m in measures])
    expected = {
        "f_max": f_curves.mean(0).max(),
        "f_mean": f_curves.mean(),
        "f_weighted": np.mean([m.weighted_f for m in measures]),
        "s_measure": np.mean([m.s_measure for m in measures]),
        "e_max": e_curves.mean(0).max(),
        "e_mean": e_curves.mean(),
    }
    assert list(expected) == list(SALIENCY_SCORES)
    assert {name: found[name] for name in SALIENCY_SCORES} == pytest.approx(expected, rel=1e-12)
    assert len({round(value, 6) for value in expected.values()}) == len(expected), "no two scores are alike here"


@pytest.mark.parametrize("name", SALIENCY_SCORES)
def test_the_gain_of_a_score_is_its_difference_from_the_reference(name: str) -> None:
    some = [(salient, truth.astype(np.uint8)) for salient, truth in MAPS[:20]]
    ours = saliency_table([saliency_measures(0.5 * truth + 0.3 * salient, truth) for salient, truth in some])
    theirs = saliency_table([saliency_measures(salient, truth) for salient, truth in some])
    found, reference = saliency_scores(ours, theirs, 200, 0), saliency_scores(theirs, theirs, 200, 0)
    gain = found["saliency_vs_base"][name]
    assert gain["gain"] == pytest.approx(found[name] - reference[name])
    assert reference["saliency_vs_base"][name] == {"gain": 0, "ci95": [0, 0]}
    # By drawing images anew, without the weights that the product computes with.
    rng = np.random.default_rng(5)
    drawn = [rng.integers(20, size=20) for _ in range(200)]
    scores = np.array([[saliency_scores(t[d], t[d], 1, 0)[name] for t in (ours, theirs)] for d in drawn])
    for interval, values in ((found[f"{name}_ci95"], scores[:, 0]), (gain["ci95"], scores[:, 0] - scores[:, 1])):
        low, high = np.quantile(values, [0.025, 0.975])
        assert interval == pytest.approx([low, high], abs=0.35 * (high - low) + 1e-9)


def test_one_image_or_one_group_says_nothing_about_others() -> None:
    table = saliency_table([saliency_measures(salient, truth.astype(np.uint8)) for salient, truth in MAPS[:4]])
    for few, groups in ((table[:1], None), (table, np.zeros(4))):
        found = saliency_scores(few, few, 50, 0, groups)
        assert [found[f"{name}_ci95"] for name in SALIENCY_SCORES] == 6 * [[0.0, 1.0]]
        assert [found["saliency_vs_base"][name]["ci95"] for name in SALIENCY_SCORES] == 6 * [[-1.0, 1.0]]


def test_images_of_one_group_are_drawn_together() -> None:
    """Copies of an image in one group do not narrow its interval, and two groups are enough for one."""
    measures = [saliency_measures(salient, truth.astype(np.uint8)) for salient, truth in MAPS[:6]]
    ours, theirs = saliency_table(measures), saliency_table(measures[1:] + measures[:1])
    alone = saliency_scores(ours, theirs, 300, 0)
    copied = saliency_scores(np.tile(ours, (4, 1)), np.tile(theirs, (4, 1)), 300, 0, np.tile(np.arange(6), 4))
    unaware = saliency_scores(np.tile(ours, (4, 1)), np.tile(theirs, (4, 1)), 300, 0)
    assert len(SALIENCY_SCORES) == 6
    for name in SALIENCY_SCORES:
        assert copied[f"{name}_ci95"] == pytest.approx(alone[f"{name}_ci95"])
        gain, expected = (found["saliency_vs_base"][name]["ci95"] for found in (copied, alone))
        assert gain == pytest.approx(expected)
    widths = [np.ptp(found["s_measure_ci95"]) for found in (unaware, alone)]
    assert widths[0] < 0.7 * widths[1]
    two = saliency_scores(ours, theirs, 50, 0, np.array([0, 0, 0, 1, 1, 1]))
    assert two["s_measure_ci95"] != [0.0, 1.0]
    assert two["saliency_vs_base"]["s_measure"]["ci95"] != [-1.0, 1.0]
