"""The plain numpy loop, timed and compared with ours; on a part of an image where a whole one takes too long."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.numpy_pseudo_labels import Count, candidates, label_patch
from prn_pipeline.refinement import PatchPseudoLabels

#: A whole image is computed when it takes no longer than this; otherwise a part that takes about `SAMPLE_SECONDS`.
LONGEST_SECONDS, SAMPLE_SECONDS = 20.0, 4.0
PROBED_THRESHOLDS = 8


@dataclass(frozen=True)
class Reference:
    """Seconds an image, and what of it was computed (for the reader of the table)."""

    seconds: float
    computed: str


def time_and_compare(
    probabilities: np.ndarray,
    mask: np.ndarray,
    patch_size: int,
    levels: int | None,
    ours: PatchPseudoLabels[np.ndarray],
    longest: float = LONGEST_SECONDS,
    count: Count = np.sum,
) -> Reference:
    """Time the loop on one image and require what it computed of ours to be equal.

    Args:
        probabilities: (H,W) float16 or float32, sides divisible by `patch_size`.
        mask: (H,W) uint8, 0 and 1.
        patch_size: side of a patch.
        levels: candidate thresholds; None = every distinct value.
        ours: what `patch_pseudo_labels` found for a batch whose first image this is.
        longest: seconds that a whole image may take.
        count: how numpy counts the foreground.

    Raises:
        AssertionError: labels, thresholds or IoU differ anywhere.
    """
    maps = probabilities.astype(np.float32)
    patches = [(r, c) for r in range(maps.shape[0] // patch_size) for c in range(maps.shape[1] // patch_size)]
    tried = levels or patch_size**2
    expected = _seconds_a_threshold(maps, mask, patch_size, count) * tried * len(patches)
    share = 1.0 if expected <= longest else min(SAMPLE_SECONDS, longest) / expected
    chosen = _spread(patches, max(1, round(share * len(patches))))
    most = tried + 1 if share * len(patches) >= 1 else max(PROBED_THRESHOLDS, round(share * len(patches) * tried))

    seconds, fewest = 0.0, 1.0
    for row, column in chosen:
        where = np.s_[row * patch_size : (row + 1) * patch_size, column * patch_size : (column + 1) * patch_size]
        start = time.perf_counter()
        every = candidates(maps[where], levels)
        # A sample of thresholds keeps ours among them: if a better or an equal lower one were in it, ours would lose.
        thresholds = every if len(every) <= most else _with(every, most, ours.thresholds[0, row, column])
        found = label_patch(maps[where], mask[where], thresholds, count)
        seconds += (time.perf_counter() - start) * len(every) / len(thresholds)
        fewest = min(fewest, len(thresholds) / len(every))
        same = (
            found.threshold == ours.thresholds[0, row, column]
            and np.float32(found.iou) == ours.iou[0, row, column]
            and np.array_equal(found.labels, ours.labels[0][where])
        )
        if not same:
            raise AssertionError(f"patch {row}, {column} of {patch_size} px, levels={levels}: numpy and ours differ")
    return Reference(seconds * len(patches) / len(chosen), _told(len(chosen), len(patches), fewest))


def _seconds_a_threshold(maps: np.ndarray, mask: np.ndarray, patch_size: int, count: Count) -> float:
    corner = np.s_[:patch_size, :patch_size]
    probe = candidates(maps[corner], PROBED_THRESHOLDS)
    label_patch(maps[corner], mask[corner], probe, count)
    start = time.perf_counter()
    label_patch(maps[corner], mask[corner], probe, count)
    return (time.perf_counter() - start) / len(probe)


def _spread(items: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _with(thresholds: np.ndarray, count: int, ours: np.float32) -> np.ndarray:
    part = thresholds[np.linspace(0, len(thresholds) - 1, count).round().astype(int)]
    return np.unique(np.append(part, ours))


def _told(patches: int, of: int, share_of_thresholds: float) -> str:
    if share_of_thresholds < 1:
        return f"{patches} of {of} patches, {100 * share_of_thresholds:.2g} % of its thresholds, scaled up"
    return "whole image" if patches == of else f"{patches} of {of} patches, scaled up"
