"""Mean and standard deviation that normalise the input images of a network."""

from __future__ import annotations

import torch
from torch import Tensor

from prn_pipeline.segmentation.module_settings import MEAN, STD

#: For bands without known statistics: the middle of their range, and a quarter of it.
OTHER_MEAN, OTHER_STD = 0.5, 0.25


def statistics(channels: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation for image values 0 .. 255, each float32 (1,C,1,1)."""
    mean, std = (MEAN, STD) if channels == len(MEAN) else ((OTHER_MEAN,) * channels, (OTHER_STD,) * channels)
    return torch.tensor(mean).view(1, -1, 1, 1) * 255, torch.tensor(std).view(1, -1, 1, 1) * 255
