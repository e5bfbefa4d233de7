"""Intervals and p values against a bootstrap that draws images one by one."""

from collections import Counter

import numpy as np
import pytest

from prn_pipeline.metrics import bootstrap
from prn_pipeline.metrics.bootstrap import bounds, draws, independent, interval, paired_gain

RESAMPLES = 3000


def random_counts(images: int, seed: int) -> np.ndarray:
    """Counts of images of 1,000 pixels whose IoU differs."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((images, 6), np.int64)
    counts[:, 0], counts[:, 1], counts[:, 2] = rng.integers(50, 300, (3, images))
    counts[:, 3] = 1000 - counts[:, :3].sum(1)
    return counts


def plain_iou(counts: np.ndarray) -> float:
    return float(counts[:, 0].sum() / counts[:, :3].sum())


def shifted(counts: np.ndarray, pixels: int, seed: int = 5) -> np.ndarray:
    """The same images with about this many more true positives each, more or fewer by chance."""
    moved = np.random.default_rng(seed).integers(-40, 41, len(counts)) + pixels
    moved = np.clip(moved, -counts[:, 0], counts[:, 2])
    other = counts.copy()
    other[:, 0] += moved
    other[:, 2] -= moved
    return other


@pytest.mark.parametrize("pixels", [-3, 0, 3, 6])
def test_p_is_twice_the_share_of_draws_on_the_other_side_of_zero(pixels: int) -> None:
    theirs = random_counts(25, seed=0)
    ours = shifted(theirs, pixels)
    found = paired_gain(ours, theirs, RESAMPLES, seed=0)
    rng = np.random.default_rng(1)
    drawn = [rng.integers(25, size=25) for _ in range(RESAMPLES)]
    gains = np.array([plain_iou(ours[d]) - plain_iou(theirs[d]) for d in drawn])
    share = min((gains < 0).mean(), (gains > 0).mean())
    assert found["iou_micro"] == pytest.approx(plain_iou(ours) - plain_iou(theirs))
    assert 0.02 < 2 * share <= 1.05, "a case that is neither clear nor a tie"
    assert found["p"] == pytest.approx(min(1, 2 * share), abs=0.06)
    assert found["ci95"] == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=0.0015)
    turned = paired_gain(theirs, ours, RESAMPLES, seed=0)
    assert turned["p"] == pytest.approx(found["p"])
    assert turned["ci95"] == pytest.approx([-found["ci95"][1], -found["ci95"][0]])


def test_the_least_p_is_one_draw_in_all() -> None:
    theirs = random_counts(25, seed=0)
    for resamples in (50, 400):
        assert paired_gain(shifted(theirs, 60), theirs, resamples, 0)["p"] == 1 / resamples


def test_an_interval_is_that_of_drawn_images() -> None:
    counts, rng = random_counts(25, seed=2), np.random.default_rng(1)
    drawn = [plain_iou(counts[rng.integers(25, size=25)]) for _ in range(RESAMPLES)]
    assert interval(counts, RESAMPLES, 0) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.003)


def test_bounds_leave_out_a_fortieth_at_each_end() -> None:
    assert bounds(np.arange(1001.0)) == pytest.approx([25, 975])


def test_two_units_suffice_for_an_interval() -> None:
    counts = random_counts(4, seed=3)
    assert interval(counts[:2], 200, 0) != [0, 1]
    assert interval(counts, 200, 0, np.array(["a", "a", "b", "b"])) != [0, 1]
    assert paired_gain(counts[:2], counts[2:], 200, 0)["ci95"] != [-1, 1]


def test_every_unit_is_as_likely_and_a_draw_has_as_many_as_there_are() -> None:
    found = np.concatenate(list(draws(6, 4000, seed=0)))
    assert (found.sum(1) == 6).all()
    assert found.mean(0) == pytest.approx(np.ones(6), abs=0.06)
    assert np.var(found, axis=0) == pytest.approx(np.full(6, 5 / 6), abs=0.08), "a multinomial's"
    (other,), (same,) = draws(6, 40, seed=1), draws(6, 40, seed=0)
    assert not (other == found[:40]).all()
    assert (same == found[:40]).all()


def test_draws_of_many_images_come_in_blocks_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,), counts, groups = draws(50, 40, 0), random_counts(50, seed=0), np.arange(50) // 2
    intervals = [interval(counts, 40, 0), interval(counts, 40, 0, groups)]
    gain = paired_gain(counts, random_counts(50, seed=1), 40, 0)
    monkeypatch.setattr(bootstrap, "MAX_DRAWN", 50 * 7)
    blocks = list(draws(50, 40, 0))
    assert [len(block) for block in blocks] == [7] * 5 + [5]
    assert (np.concatenate(blocks) == whole).all()
    assert [interval(counts, 40, 0), interval(counts, 40, 0, groups)] == intervals
    assert paired_gain(counts, random_counts(50, seed=1), 40, 0) == gain


def test_images_of_a_group_are_drawn_equally_often() -> None:
    groups = np.array(["b", "a", "b", "c", "a"])
    (found,) = draws(5, 500, 0, groups)
    np.testing.assert_array_equal(found[:, 0], found[:, 2])
    np.testing.assert_array_equal(found[:, 1], found[:, 4])
    assert (found[:, [0, 1, 3]].sum(1) == 3).all()
    units, of_image = independent(5, groups)
    assert (units, of_image.tolist()) == (3, [0, 1, 0, 2, 1])
    assert Counter(independent(3)[1].tolist()) == {0: 1, 1: 1, 2: 1}
