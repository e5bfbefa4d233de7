"""Which class is taken for which."""

from __future__ import annotations

import numpy as np


def confusion(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Pixels by true and by predicted class.

    Args:
        truth: bool (N,C,H,W), at most one class a pixel; pixels without one count nowhere.
        said: bool (N,C,H,W), one class a pixel.

    Returns:
        int64 (C,C): row true class, column predicted class.
    """
    classes = truth.shape[1]
    valid = truth.any(1)
    pairs = truth.argmax(1)[valid] * classes + said.argmax(1)[valid]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
