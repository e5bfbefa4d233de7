"""Batched inference of a trained network over stored samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.processes.work_progress import report_step
from prn_pipeline.training.allocator import keep_freed_memory
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.precision import autocast, best_device, multiplies_bf16
from prn_pipeline.training.tiling import Tiled, Tiles

#: Most pixels in a batch: 32 images of 512 x 512, or 8 tiles of 1024 x 1024.
MAX_BATCH_PIXELS = 2**23
#: How images are cut into tiles unless the caller says otherwise.
DEFAULT_TILES = Tiles()


@runtime_checkable
class Foldable(Protocol):
    """A network that can make a faster copy of itself."""

    def for_inference(self, dtype: torch.dtype) -> nn.Module:
        """A copy that computes in `dtype`."""
        ...


def prepare_for_inference(network: nn.Module, device: torch.device) -> tuple[nn.Module, torch.autocast]:
    """Bring a network into the form that runs fastest on `device`.

    It computes in bfloat16 exactly if the hardware multiplies bfloat16. A `Foldable` network is copied, and the copy
    casts by itself; any other network is moved in place.

    Returns:
        The network on `device`, in eval mode, and the autocast context to run it in.
    """
    context = autocast(device)
    if isinstance(network, Foldable):
        network = network.for_inference(torch.bfloat16 if multiplies_bf16(device) else torch.float32)
        context = autocast(device, "fp32")
    return network.to(device, memory_format=torch.channels_last).eval(), context  # type: ignore[call-overload]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to `device`; images and maps (N,C,H,W) get the channels-last layout, which is fastest there."""
    form = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
    return tensor.to(device).contiguous(memory_format=form)


def predict(
    network: nn.Module,
    samples: Samples,
    rows: np.ndarray,
    arrays: Sequence[str],
    batch_size: int,
    tiles: Tiles = DEFAULT_TILES,
) -> Iterator[Any]:
    """Run a network on stored samples, in the order of `rows`.

    Args:
        network: takes one tensor (B,C,H,W) per array.
        samples: the stores that hold the arrays; one or several.
        rows: rows of the manifest, int (n,).
        arrays: names of images (H,W,3) uint8 or maps (H,W) or (C,H,W) float, in the order of the network's arguments.
        batch_size: samples per forward pass; fewer if they would exceed `MAX_BATCH_PIXELS`, and a multiple of the
            network's `maps_per_pass`, if it has one.
        tiles: tiles into which larger samples are cut, unless the network or its settings have `sees_whole_maps`.

    Yields:
        The network's output for one batch, on the device it ran on.
    """
    device = best_device()
    if device.type == "cpu":
        keep_freed_memory()
    whole = getattr(network, "sees_whole_maps", getattr(getattr(network, "settings", None), "sees_whole_maps", False))
    together = getattr(network, "maps_per_pass", 1)
    network, context = prepare_for_inference(network, device)
    network = network if whole else Tiled(network, tiles)
    done = 0
    for stored in samples.batches(arrays, rows):
        first = channels_first(torch.from_numpy(stored[0]))
        height, width = first.shape[-2:]
        pixels = height * width if whole else min(height, tiles.size) * min(width, tiles.size)
        at_once = together * max(1, min(batch_size, MAX_BATCH_PIXELS // pixels) // together)
        columns = (channels_first(torch.from_numpy(array)).split(at_once) for array in stored)
        for parts in zip(*columns, strict=True):
            inputs = [to_device(part, device) for part in parts]
            with torch.inference_mode(), context:
                output = network(*inputs)
            yield output
            done += len(inputs[0])
            report_step("maps", done, len(rows))


def predict_logits(
    network: nn.Module,
    samples: Samples,
    rows: np.ndarray,
    arrays: Sequence[str],
    batch_size: int,
    tiles: Tiles = DEFAULT_TILES,
) -> Iterator[np.ndarray]:
    """`predict` for a network that returns logits (B,1,H,W).

    Yields:
        Logits of one batch in the format of `stored_logits`, float16 (B,H,W).
    """
    return (stored_logits(logits[:, 0]) for logits in predict(network, samples, rows, arrays, batch_size, tiles))
