"""The cost of running a network: parameters, arithmetic operations, time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.processes.contention import LoadMeter
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS, TTA, TTA_SCALES
from prn_pipeline.segmentation.maps import FLIPS
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import DEFAULT_TILES, MAX_BATCH_PIXELS, prepare_for_inference, to_device
from prn_pipeline.training.precision import best_device

#: Images in the batch that is timed.
BATCH = 8
#: Largest number of timed passes, and of seconds that they take in total.
REPEATS, BUDGET = 5, 4.0


@dataclass(frozen=True)
class ModelCost:
    """Cost of one network.

    Attributes:
        parameters: trained parameters.
        gflop: GFLOP per image; a multiplication with addition counts as two operations.
        milliseconds: milliseconds per image.
        under_load: whether other processes slowed the measurement of the milliseconds down.
    """

    parameters: int
    gflop: float
    milliseconds: float
    under_load: bool = False


def model_cost(network: nn.Module, inputs: Sequence[Tensor]) -> ModelCost:
    """Cost of a forward pass, in the precision and on the device that inference uses; the time is the minimum of a few.

    Args:
        network: any network; afterwards it is in eval mode and on that device.
        inputs: its inputs, each (N,C,h,w); "image" below means one of the N.
    """
    device, together = best_device(), getattr(network, "maps_per_pass", 1)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        network.eval().cpu()(*(tensor[:together] for tensor in inputs))
    fast, context = prepare_for_inference(network, device)
    on_device = [to_device(tensor, device) for tensor in inputs]
    seconds: list[float] = []
    meter = LoadMeter()
    while len(seconds) < REPEATS and sum(seconds) < BUDGET:
        start = time.perf_counter()
        with torch.inference_mode(), context:
            fast(*on_device).float().cpu()
        seconds.append(time.perf_counter() - start)
    gflop = counter.get_total_flops() / 1e9 / together
    return ModelCost(parameters, gflop, 1000 * min(seconds) / len(inputs[0]), meter.under_load())


def model_costs(base_model: MapSource, refiner: Refiner, samples: Samples) -> dict[str, Any]:
    """Costs of a base model and of a refiner on test images of their data set.

    Args:
        base_model: base model of the run.
        refiner: refiner of the run.
        samples: samples with the inputs of both.

    Returns:
        JSON values {"base": ModelCost, or None for a base model without a network; "refiner": ModelCost and
        "base_passes", the number of further passes of base models that a refiner with TTA, at one scale of the
        image or several, or with the maps of several models needs; -1 for a refiner that replaces the base model, whose
        only pass is then its own}.
    """
    shape = samples.store_of("images").shape("images")[1:3]
    crop = [min(side, DEFAULT_TILES.size) for side in shape]  # larger images are cropped, and the cost is scaled up
    together = refiner.maps_per_pass
    rows = samples.rows(["test"])[: together * max(1, min(BATCH, MAX_BATCH_PIXELS // math.prod(crop)) // together)]

    def cropped(names: Sequence[str], crop: Sequence[int] = crop) -> list[Tensor]:
        tensors = [channels_first(torch.from_numpy(samples.array(name, rows))) for name in names]
        heights, widths = (  # features have a lower resolution
            [tensor.shape[axis - 2] * crop[axis] // shape[axis] for tensor in tensors] for axis in (0, 1)
        )
        return [tensor[..., :h, :w] for tensor, h, w in zip(tensors, heights, widths, strict=True)]

    crops = math.prod(shape) / math.prod(crop)
    network = base_model.runnable
    of_base = shape if getattr(network, "sees_whole_maps", False) else crop  # a fixed input takes whole images
    cost = model_cost(refiner, cropped(refiner.arrays))
    return {
        "base": None
        if network is None
        else _scaled(model_cost(network, cropped(base_model.arrays, of_base)), math.prod(shape) / math.prod(of_base)),
        "refiner": _scaled(cost, crops * samples.maps_per_image) | {"base_passes": _further_passes(refiner, samples)},
    }


def _further_passes(refiner: Refiner, samples: Samples) -> int:
    """See `model_costs`."""
    if refiner.replaces_base_model:
        return -1
    scales = len(refiner.settings.tta_scales) if TTA_SCALES in refiner.arrays else 0
    of_flips = len(FLIPS) * (1 + scales) - 1 if scales or TTA in refiner.arrays else 0
    if SEVERAL_MAPS not in refiner.arrays:
        return of_flips
    return of_flips + int(samples.store_of(SEVERAL_MAPS).shape(SEVERAL_MAPS)[1]) - 1


def _scaled(cost: ModelCost, factor: float) -> dict[str, Any]:
    return asdict(cost) | {
        "gflop": round(factor * cost.gflop, 4),
        "milliseconds": round(factor * cost.milliseconds, 3),
    }
