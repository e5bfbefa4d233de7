"""Probabilities of stored logits."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


def probabilities_of(logits: NDArray[np.float16]) -> NDArray[np.float32]:
    """Sigmoid of float16 logits of any shape, in float32: the bits of `scipy.special.expit`, in a third of its time.

    There are only 65536 numbers in float16, so each one's answer is looked up.
    """
    return _table()[np.ascontiguousarray(logits).view(np.uint16)]


@cache
def _table() -> NDArray[np.float32]:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return expit(every.astype(np.float32))
