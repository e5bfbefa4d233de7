"""One input of a predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import Pixels


class Item(NamedTuple):
    """An image, or its maps by another program, or both.

    Attributes:
        image: the image as the data set would have stored it; None if the refiner needs maps only.
        logits: one-vs-rest logits, float32 (C,h,w); None if the base model makes them.
        further: further maps by other programs, likewise, by the array that is made of them (`map_inputs`).
    """

    image: Pixels | None
    logits: NDArray[np.float32] | None = None
    further: Mapping[str, Sequence[NDArray[np.float32]]] = MappingProxyType({})

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the mask."""
        if self.image is not None:
            height, width = self.image.shape[:2]
        else:
            height, width = self.logits.shape[-2:]  # type: ignore[union-attr]
        return int(height), int(width)
