"""Test images in the order of their gains, as small pictures: nothing is picked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from prn_pipeline.reporting.gallery import data_uri, error_picture, shrink
from prn_pipeline.reporting.inputs import SmallPictures
from prn_pipeline.reporting.wording import fixed, number

#: Longest side of a picture, and the gap between two of them, in pixels.
SIDE, GAP = 88, 2
QUALITY = 82


def small_pictures(
    sample_id: str, image: np.ndarray, base_mask: np.ndarray, refined_mask: np.ndarray, mask: np.ndarray, ious: Any
) -> SmallPictures:
    """Draw one test image.

    Args:
        sample_id: of the image.
        image: uint8 (H, W, 3).
        base_mask: bool or 0/1 (H, W).
        refined_mask: bool or 0/1 (H, W).
        mask: uint8 (H, W), the truth: 0 background, 1 foreground, 255 ignore.
        ious: IoU of the base mask and of the refined one.
    """
    drawn = [image, *(error_picture(one, mask) for one in (base_mask, refined_mask, mask == 1))]
    parts = [shrink(one, SIDE) for one in drawn]
    gap = np.zeros((parts[0].shape[0], GAP, 3), np.uint8)
    strip = np.hstack([part for one in parts for part in (one, gap)][:-1])
    Image.fromarray(strip).save(buffer := io.BytesIO(), "JPEG", quality=QUALITY)
    return SmallPictures(sample_id, float(ious[0]), float(ious[1]), buffer.getvalue())


def spread(count: int, most: int) -> np.ndarray:
    """`most` of `count` places, or all of them: the first, the last, and others at equal distances; int (n,)."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.empty(0, int)


def browsed(images: Iterable[SmallPictures], refiner: str) -> Sequence[Mapping[str, str]]:
    """The pictures with their words, as the page shows them."""
    return [
        {
            "sample_id": one.sample_id,
            "ious": f"{fixed(one.iou_base)} → {fixed(one.iou_refined)}",
            "gain": fixed(100 * (number(one.iou_refined) - number(one.iou_base)), 1, signed=True),
            "source": data_uri(one.picture, "image/jpeg"),
            "alt": f"{one.sample_id}, small: image, base mask, mask of {refiner}, truth",
        }
        for one in images
    ]
