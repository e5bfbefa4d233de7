"""Confusion matrix: which class is predicted for which."""

from __future__ import annotations

import numpy as np


def confusion(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Pixels by true and by predicted class.

    Args:
        truth: bool (N,C,H,W), at most one class per pixel; pixels without a class are ignored.
        predictions: bool (N,C,H,W), one class per pixel.

    Returns:
        int64 (C,C): rows are true classes, columns predicted classes.
    """
    classes = truth.shape[1]
    valid = truth.any(1)
    pairs = truth.argmax(1)[valid] * classes + predictions.argmax(1)[valid]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
