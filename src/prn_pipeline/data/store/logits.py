"""Stored logits, their probabilities, and those of several classes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from prn_pipeline.errors import UserError

if TYPE_CHECKING:  # pseudo-labels and reports are made of stored arrays, without PyTorch
    from torch import Tensor


def probabilities_of(logits: NDArray[np.float16]) -> NDArray[np.float32]:
    """Sigmoid of float16 logits of any shape, float32: bit for bit `scipy.special.expit`, in a third of its time.

    float16 has only 65536 values, so the results come from a table.
    """
    return _table()[np.ascontiguousarray(logits).view(np.uint16)]


@cache
def _table() -> NDArray[np.float32]:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return expit(every.astype(np.float32))


#: Largest magnitude of stored logits. Beyond it a probability is 0 or 1 to seven digits, and float16 is coarse.
LARGEST_LOGIT = 16.0


def stored_logits(logits: Tensor) -> np.ndarray:
    """Logits of any shape in the stored format: float16, clamped to +-`LARGEST_LOGIT`.

    Raises:
        UserError: a logit is NaN.
    """
    if logits.isnan().any():
        raise UserError("the network returned NaN: train it again with precision: fp32 or a lower learning_rate")
    return logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).half().cpu().numpy()


def one_vs_rest(logits: Tensor) -> Tensor:
    """Softmax logits (N,C,H,W) -> logits of each class against all others, whose sigmoid is the softmax.

    A single map (N,1,H,W) is foreground against background already and is returned unchanged.
    """
    import torch

    classes = logits.shape[1]
    if classes == 1:
        return logits
    others = [[other for other in range(classes) if other != own] for own in range(classes)]
    return torch.stack([logits[:, own] - logits[:, rest].logsumexp(1) for own, rest in enumerate(others)], dim=1)


def normalised(logits: np.ndarray) -> np.ndarray:
    """One-vs-rest logits (N,C,H,W) -> probabilities that sum to 1 over the classes, float32."""
    probabilities = expit(logits)
    return probabilities / np.maximum(probabilities.sum(1, keepdims=True), np.finfo(np.float32).tiny)
