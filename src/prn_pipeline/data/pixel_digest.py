"""The identity of an image, whatever its file."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def pixel_digest(pixels: NDArray[np.generic]) -> str:
    """sha256 (hex) of pixels and their shape."""
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
