"""Maps to measure on: blobs for truth, and a base model's probabilities that drift and are noisy."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F


def example_maps(count: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities float32 (count,size,size), nearly all of them different, and masks uint8 (count,size,size)."""
    generator = torch.Generator().manual_seed(seed)

    def field(runs: int) -> torch.Tensor:
        coarse = torch.randn(count, 1, runs, runs, generator=generator)
        return F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)[:, 0]

    shape, drift = field(8), field(4)
    logits = 4 * shape + drift + torch.randn(count, size, size, generator=generator)
    return torch.sigmoid(logits).numpy(), (shape > 0.3).to(torch.uint8).numpy()
