"""Which images to label next: those with the most room, without several of one scene."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Correlation of the thumbnails of two images, less what all images have in common, from which one of them is enough.
#: Of different photographs, roads, nuclei and cracks at most 1 % of pairs reach it; of frames of a drive through a
#: town that follow each other, half do.
ALIKE = 0.7


class Picked(NamedTuple):
    """Images to label.

    Attributes:
        rows: of the images, in order, int64 (count,) at most.
        passed_over: number of images with more room than the last one that resemble one that was picked.
    """

    rows: NDArray[np.int64]
    passed_over: int


def pick(room: NDArray[np.float64], thumbnails: NDArray[np.float32], count: int) -> Picked:
    """Images in descending order of room, leaving out those that resemble one before.

    Where too few are left, images that were left out follow.

    Args:
        room: what there is to gain on each image, (n,).
        thumbnails: float32 (n, pixels), as `data.splits.video_frames.thumbnail` returns them.
        count: how many to pick.
    """
    distinct = thumbnails - thumbnails.mean(0)
    distinct = distinct / np.maximum(np.linalg.norm(distinct, axis=1, keepdims=True), 1e-6)
    order = np.argsort(-room, kind="stable")
    taken: list[int] = []
    left_out: list[int] = []
    for row in order.tolist():
        if len(taken) == count:
            break
        alike = bool(taken) and float((distinct[taken] @ distinct[row]).max()) >= ALIKE
        (left_out if alike else taken).append(row)
    filled = left_out[: count - len(taken)]
    return Picked(np.array(taken + filled, np.int64), len(left_out) - len(filled))


def reason(soft_iou: float, agreement: float, foreground: float) -> str:
    """Why there is room on an image, in words.

    Args:
        soft_iou: see `metrics.map_quality.statistics`.
        agreement: likewise.
        foreground: share of the mask.
    """
    if not foreground:
        return "nothing was found, but that is not sure"
    if agreement < soft_iou:
        return f"base model and refiner disagree: the IoU of their masks is {agreement:.2f}"
    return f"the map is unsure: its probabilities promise an IoU of {soft_iou:.2f}"
