"""A challenger is promoted for a significant gain, unless a slice of the test set gets worse."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.serving.comparison import ComparisonSettings, compare
from prn_pipeline.serving.slices import slices, unusual_losses

SETTINGS = ComparisonSettings(
    margin=0.0,
    smallest_test=20,
    slices=("image_size", "mask_size", "group"),
    smallest_slice=10,
    slice_tolerance=0.01,
)


def some_images(count: int = 90) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "native_height": np.tile([100, 200, 400], count // 3),
            "native_width": 300,
            "foreground": np.where(np.arange(count) % 9 == 0, 0, draw.random(count)),
            "group": [f"image{number}" for number in range(count)],
        }
    )


def counts(share_right: np.ndarray) -> np.ndarray:
    """int64 (n,1,6): of 1000 true pixels per image this share is found, together with 100 false ones."""
    found = np.zeros((len(share_right), 1, len(COLUMNS)), np.int64)
    found[:, 0, 0] = (1000 * share_right).astype(int)
    found[:, 0, 1], found[:, 0, 2] = 100, 1000 - found[:, 0, 0]
    return found


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.5, 0.9, 90)


def test_a_better_challenger_is_promoted_and_an_equal_or_worse_one_is_not(base: np.ndarray) -> None:
    images = some_images()
    noise = np.random.default_rng(2).normal(0, 0.02, 90)
    for change, promoted in ((0.05, True), (0.0, False), (-0.05, False)):
        found = compare(counts(np.clip(base + change + noise, 0, 1)), counts(base), images, (), SETTINGS)
        assert found["promoted"] is promoted
        assert np.sign(round(found["gain"]["iou_micro"], 2)) == np.sign(change)
        assert found["images"] == 90
    same = compare(counts(base), counts(base), images, (), SETTINGS)
    assert not same["promoted"]
    assert same["gain"]["iou_micro"] == 0


@pytest.mark.parametrize("left", [1, 2, 19, 20])
def test_too_few_test_images_promote_no_challenger(left: int, base: np.ndarray) -> None:
    better = counts(np.clip(base + 0.05, 0, 1))[:left]
    found = compare(better, counts(base)[:left], some_images()[:left], (), SETTINGS)
    assert found["promoted"] is (left >= 20)
    assert found["promoted"] or f"but {left} images that neither has learned from are left" in found["why"]


def test_groups_count_and_not_their_images(base: np.ndarray) -> None:
    videos = some_images().assign(group=np.arange(90) // 5)
    found = compare(counts(np.clip(base + 0.05, 0, 1)), counts(base), videos, (), SETTINGS)
    assert (found["units"], found["unit"], found["images"]) == (18, "group", 90)
    assert not found["promoted"]
    assert "18 groups (90 images) that neither has learned from are left of the test set: 20 are needed" in found["why"]


def test_frames_of_videos_without_groups_promote_no_challenger(base: np.ndarray) -> None:
    better = counts(np.clip(base + 0.05, 0, 1))
    assert compare(better, counts(base), some_images().assign(video=False), (), SETTINGS)["promoted"]
    found = compare(better, counts(base), some_images().assign(video=True), (), SETTINGS)
    assert not found["promoted"]
    assert "set `split.group` of the data set" in found["why"]
    known = SETTINGS.model_copy(update={"frames_are_units": True})
    assert compare(better, counts(base), some_images().assign(video=True), (), known)["promoted"]


def test_frames_of_one_video_widen_the_interval(base: np.ndarray) -> None:
    """Twenty copies of an image say no more than the image."""
    challenger = np.clip(base[:24] + np.random.default_rng(3).normal(0.01, 0.03, 24), 0, 1)
    single = compare(counts(challenger), counts(base[:24]), some_images(24), (), SETTINGS)
    frames = some_images(240).assign(group=np.repeat(np.arange(24), 10), foreground=0.1)
    copied = compare(counts(challenger.repeat(10)), counts(base[:24].repeat(10)), frames, (), SETTINGS)
    assert copied["gain"]["ci95"] == pytest.approx(single["gain"]["ci95"])
    assert copied["lower_bound"] == pytest.approx(single["lower_bound"])


def test_each_further_comparison_with_a_champion_needs_more_evidence(base: np.ndarray) -> None:
    challenger = counts(np.clip(base + 0.01 + np.random.default_rng(2).normal(0, 0.03, 90), 0, 1))
    looks = [compare(challenger, counts(base), some_images(), (), SETTINGS, look) for look in (1, 2, 30)]
    alphas, bounds = ([found[key] for found in looks] for key in ("alpha", "lower_bound"))
    assert alphas == sorted(alphas, reverse=True)
    assert bounds == sorted(bounds, reverse=True)
    assert [found["promoted"] for found in looks] == [True, True, False]
    assert "comparison 30 with this champion, at an error probability of 0.00012" in looks[2]["why"]
    assert looks[0]["gain"] == looks[2]["gain"]


def test_a_gain_within_the_margin_is_not_enough(base: np.ndarray) -> None:
    images, better = some_images(), counts(np.clip(base + 0.05, 0, 1))
    assert compare(better, counts(base), images, (), SETTINGS)["promoted"]
    strict = SETTINGS.model_copy(update={"margin": 0.1})
    found = compare(better, counts(base), images, (), strict)
    assert not found["promoted"]
    assert "not above the margin of 10" in found["why"]


def test_a_slice_that_gets_worse_prevents_promotion(base: np.ndarray) -> None:
    images = some_images()
    change = np.where(images["native_height"] == 100, -0.05, 0.15)
    found = compare(counts(np.clip(base + change, 0, 1)), counts(base), images, (), SETTINGS)
    assert found["gain"]["ci95"][0] > 0
    assert not found["promoted"]
    assert "but worse in image_size small" in found["why"]
    unguarded = SETTINGS.model_copy(update={"slices": ()})
    assert compare(counts(np.clip(base + change, 0, 1)), counts(base), images, (), unguarded)["promoted"]


def test_a_class_that_gets_worse_prevents_promotion(base: np.ndarray) -> None:
    both = {name: counts(np.clip(base + change, 0, 1)) for name, change in (("road", 0.2), ("car", -0.05))}
    challenger = np.concatenate([both["road"], both["car"]], axis=1)
    champion = np.concatenate([counts(base)] * 2, axis=1)
    found = compare(challenger, champion, some_images(), ("road", "car"), SETTINGS)
    assert found["gain"]["ci95"][0] > 0
    assert not found["promoted"]
    worse: list[dict[str, Any]] = [entry for entry in found["slices"] if entry["worse"]]
    assert {(entry["by"], entry["slice"]) for entry in worse} >= {("class", "car")}


def frames_of_videos(gains: np.ndarray) -> dict[str, Any]:
    """The comparison of a challenger that gains so much on each video of 15 frames."""
    videos = len(gains)
    manifest = some_images(15 * videos).assign(group=np.arange(15 * videos) // 15, native_height=100, foreground=0.1)
    base = np.random.default_rng(5).uniform(0.5, 0.7, 15 * videos)
    return compare(counts(np.clip(base + gains.repeat(15), 0, 1)), counts(base), manifest, (), SETTINGS)


def test_videos_that_lose_by_luck_do_not_prevent_promotion() -> None:
    gains = np.random.default_rng(4).normal(0.05, 0.04, 40)
    assert (gains < -0.011).sum() > 1
    found = frames_of_videos(gains)
    assert len(found["slices"]) == 40
    assert found["promoted"], found["why"]


def test_a_video_that_loses_far_more_than_others_prevents_promotion() -> None:
    gains = np.random.default_rng(4).normal(0.1, 0.02, 40)
    gains[7] = -0.2
    found = frames_of_videos(gains)
    assert [entry["slice"] for entry in found["slices"] if entry["worse"]] == ["7"]
    assert not found["promoted"]
    assert "but worse in group 7" in found["why"]


def test_losses_are_judged_by_the_spread_of_the_other_groups() -> None:
    gains = np.array([-0.1, 0.01, 0.0, -0.01])
    spread = gains[1:].std(ddof=1) * np.sqrt(4 / 3)
    usual = stats.t.isf(0.05 / 4, 2) * spread
    for loss, unusual in ((0.99 * usual, False), (1.01 * usual, True)):
        gains[0] = -loss
        assert unusual_losses(gains).tolist() == [unusual, False, False, False]
    assert unusual_losses(gains[:3]).all(), "two other groups show no spread"
    assert unusual_losses(gains[:0]).tolist() == []


def test_slices_are_thirds_groups_and_empty_masks() -> None:
    images = some_images()
    images.loc[:29, "group"] = "siteA"
    found = slices(images, ("image_size", "mask_size", "group"), 5)
    for name, height in (("small", 100), ("medium", 200), ("large", 400)):
        assert (found["image_size", name] == (images["native_height"] == height)).all()
    assert (found["mask_size", "empty"] == (images["foreground"] == 0)).all()
    thirds = [found["mask_size", name] for name in ("small", "medium", "large")]
    assert (np.sum(thirds, axis=0) == (images["foreground"] > 0)).all()
    assert images["foreground"][thirds[0]].max() < images["foreground"][thirds[2]].min()
    assert found["group", "siteA"].sum() == 30


def test_slices_that_are_too_small_or_cover_all_images_are_omitted() -> None:
    images = some_images().assign(native_height=100, group=[str(number) for number in range(90)])
    assert {by for by, _ in slices(images, ("image_size", "group"), 10)} == set()
    assert ("mask_size", "empty") not in slices(images, ("mask_size",), 11)
