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
