"""A trained network over stored samples, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from prn_pipeline.data.array_store import SHARD_ROWS
from prn_pipeline.data.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.training.precision import autocast, best_device
from prn_pipeline.training.samples import channels_first

#: Where stored logits end. Beyond it a probability is 0 or 1 to seven digits, and float16 gets coarse.
LARGEST_LOGIT = 16.0


def predict_logits(
    network: nn.Module, samples: Samples, rows: np.ndarray, array: str, batch_size: int
) -> Iterator[np.ndarray]:
    """Logit maps of the rows of a stored array, in the order of `rows`.

    Args:
        network: (B,C,H,W) -> logits (B,1,H,W): a base model on "images", a refiner on "logits".
        samples: stores, one of which holds `array`.
        rows: int (n,).
        array: images (H,W,3) uint8 or maps (H,W) float.
        batch_size: samples a forward pass.

    Yields:
        float16 (B,H,W), clamped to +-`LARGEST_LOGIT`.

    Raises:
        UserError: the network gave NaN.
    """
    device = best_device()
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    for batch in samples.store_of(array).batches([array], rows, SHARD_ROWS):
        for part in channels_first(torch.from_numpy(batch[array])).split(batch_size):
            with torch.inference_mode(), autocast(device):
                logits = network(part.to(device).contiguous(memory_format=torch.channels_last))[:, 0].float()
            if torch.isnan(logits).any():
                raise UserError("the network gives NaN: train it again with precision: fp32 or a lower learning_rate")
            yield logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT).half().cpu().numpy()
