"""What a predictor finds in images: logits, masks, probabilities, and statistics of images and maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from prn_pipeline.data.resizing import stretch
from prn_pipeline.data.store.logits import normalised
from prn_pipeline.metrics.descriptions import Descriptions


class Predicted(NamedTuple):
    """Mask and probabilities of one image.

    Attributes:
        mask: uint8 (H,W): 1 foreground, 0 background; or class ids.
        probabilities: float32 (H,W) of foreground; or (C,H,W) of classes, which sum to 1 at each pixel.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.float32]


class RefinedLogits(NamedTuple):
    """Logits float16 (N,C,H,W) before and after the refiner: one map for foreground, or one per class.

    They are the same for a refiner that replaces the base model, which is then not run.
    """

    base: NDArray[np.float16]
    refined: NDArray[np.float16]


@dataclass(frozen=True)
class Examined:
    """Predictions for one image, with the base model's logits and statistics for drift checks.

    Attributes:
        predicted: mask and probabilities.
        base: logits of the base model, float16 (C,h,w), at the size at which they were refined; without padding.
        describe: computes `description` on demand, because that costs as much as a pass of the refiner.
        quality: computes `quality_statistics` on demand, float64 (2,).
    """

    predicted: Predicted
    base: NDArray[np.float16]
    describe: Callable[[], Descriptions]
    quality: Callable[[], NDArray[np.float64]]

    @property
    def description(self) -> Descriptions:
        """Statistics of image and maps, N = 1."""
        return self.describe()

    @property
    def base_mask(self) -> NDArray[np.uint8]:
        """Mask of the base model alone, as `Predicted.mask`."""
        return from_logits(self.base, self.predicted.mask.shape).mask


def from_logits(logits: NDArray[np.float16], shape: tuple[int, ...]) -> Predicted:
    """Predictions from logits (C,h,w) of the whole image, stretched to its size first (bilinear)."""
    maps = np.stack([stretch(logit.astype(np.float32), shape) for logit in logits])
    if len(maps) == 1:
        return Predicted((maps[0] > 0).astype(np.uint8), torch.from_numpy(maps[0]).sigmoid().numpy())
    return Predicted(maps.argmax(0).astype(np.uint8), normalised(maps[None])[0])
