"""A trained network over stored samples, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training.allocator import keep_freed_memory
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.precision import autocast, best_device, multiplies_bf16
from prn_pipeline.training.tiling import Tiled, Tiles

#: Pixels of a batch: 32 images of 512 x 512, or 8 tiles of 1024 x 1024.
MOST_PIXELS = 2**23
#: How images are cut where nobody says how.
WHOLE_OR_TILES = Tiles()


@runtime_checkable
class Foldable(Protocol):
    """A network that can make a faster copy of itself."""

    def for_inference(self, dtype: torch.dtype) -> nn.Module:
        """The copy, computing in `dtype`."""
        ...


def ready(network: nn.Module, device: torch.device) -> tuple[nn.Module, torch.autocast]:
    """The network on `device`, in eval mode, in the form that is fastest there, and the context to run it in.

    bfloat16 exactly where the hardware multiplies it. A `Foldable` network is copied, and its copy casts for itself.
    """
    context = autocast(device)
    if isinstance(network, Foldable):
        network = network.for_inference(torch.bfloat16 if multiplies_bf16(device) else torch.float32)
        context = autocast(device, "fp32")
    return network.to(device, memory_format=torch.channels_last).eval(), context  # type: ignore[call-overload]


def laid_out(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor where and as networks are fastest: images and maps (N,C,H,W) channels last."""
    form = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
    return tensor.to(device).contiguous(memory_format=form)


def predict(
    network: nn.Module,
    samples: Samples,
    rows: np.ndarray,
    arrays: Sequence[str],
    batch_size: int,
    tiles: Tiles = WHOLE_OR_TILES,
) -> Iterator[Any]:
    """What a network says of stored samples, in the order of `rows`.

    Args:
        network: takes one tensor an array, (B,C,H,W) each.
        samples: stores that hold the arrays, not necessarily one store.
        rows: int (n,).
        arrays: names of images (H,W,3) uint8 or maps (H,W) or (C,H,W) float, in the order of the network's arguments.
        batch_size: samples a forward pass; fewer where they are so large that `MOST_PIXELS` are reached.
        tiles: that samples larger than one are cut into, unless the network's settings say that it sees whole maps.

    Yields:
        The network's output, a batch at a time, on the device it ran on.
    """
    device = best_device()
    if device.type == "cpu":
        keep_freed_memory()
    settings = getattr(network, "settings", None)
    whole = getattr(settings, "sees_whole_maps", False)
    network, context = ready(network, device)
    network = network if whole else Tiled(network, tiles)
    for stored in samples.batches(arrays, rows):
        first = channels_first(torch.from_numpy(stored[0]))
        height, width = first.shape[-2:]
        pixels = height * width if whole else min(height, tiles.size) * min(width, tiles.size)
        at_once = max(1, min(batch_size, MOST_PIXELS // pixels))
        columns = (channels_first(torch.from_numpy(array)).split(at_once) for array in stored)
        for parts in zip(*columns, strict=True):
            inputs = [laid_out(part, device) for part in parts]
            with torch.inference_mode(), context:
                output = network(*inputs)
            yield output


def predict_logits(
    network: nn.Module,
    samples: Samples,
    rows: np.ndarray,
    arrays: Sequence[str],
    batch_size: int,
    tiles: Tiles = WHOLE_OR_TILES,
) -> Iterator[np.ndarray]:
    """`predict` for a network that gives logits (B,1,H,W).

    Yields:
        float16 (B,H,W), as `stored_logits` makes them.
    """
    return (stored_logits(logits[:, 0]) for logits in predict(network, samples, rows, arrays, batch_size, tiles))
