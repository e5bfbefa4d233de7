"""Probabilities of stored logits."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from prn_pipeline.errors import UserError


def probabilities_of(logits: NDArray[np.float16]) -> NDArray[np.float32]:
    """Sigmoid of float16 logits of any shape, in float32: the bits of `scipy.special.expit`, in a third of its time.

    There are only 65536 numbers in float16, so each one's answer is looked up.
    """
    return _table()[np.ascontiguousarray(logits).view(np.uint16)]


@cache
def _table() -> NDArray[np.float32]:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return expit(every.astype(np.float32))


#: Where stored logits end. Beyond it a probability is 0 or 1 to seven digits, and float16 gets coarse.
LARGEST_LOGIT = 16.0


def stored_logits(logits: Tensor) -> np.ndarray:
    """Logits of any shape as they are stored: float16, clamped to +-`LARGEST_LOGIT`.

    Raises:
        UserError: there is a NaN.
    """
    if torch.isnan(logits).any():
        raise UserError("the network gives NaN: train it again with precision: fp32 or a lower learning_rate")
    return logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).half().cpu().numpy()
