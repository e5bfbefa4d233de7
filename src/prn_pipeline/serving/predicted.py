"""From refined logits to what a user gets of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from prn_pipeline.data.resizing import stretch
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.segmentation.maps import normalised


class Predicted(NamedTuple):
    """Of one image.

    Attributes:
        mask: uint8 (H,W): 1 foreground, 0 not; or class ids.
        probabilities: float32 (H,W) of foreground; or (C,H,W) of classes, which sum to 1.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Examined:
    """One image, and what there is to say of it beside its mask.

    Attributes:
        predicted: of the image.
        base: logits of the base model, float16 (C,S,S), as they were refined.
        describe: gives `description`, which costs what a pass of the refiner does and which not everybody wants.
    """

    predicted: Predicted
    base: NDArray[np.float16]
    describe: Callable[[], Descriptions]

    @property
    def description(self) -> Descriptions:
        """Of image and maps, N = 1."""
        return self.describe()

    @property
    def base_mask(self) -> NDArray[np.uint8]:
        """What the base model alone says, as `Predicted.mask`."""
        return decided(self.base, self.predicted.mask.shape).mask


def decided(logits: NDArray[np.float16], shape: tuple[int, ...]) -> Predicted:
    """Logits (C,S,S) stretched to the height and width of the image: bilinear, before the decision."""
    maps = np.stack([stretch(one.astype(np.float32), shape) for one in logits])
    if len(maps) == 1:
        return Predicted((maps[0] > 0).astype(np.uint8), torch.from_numpy(maps[0]).sigmoid().numpy())
    return Predicted(maps.argmax(0).astype(np.uint8), normalised(maps[None])[0])
