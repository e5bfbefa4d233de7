"""What a network costs to run: parameters, arithmetic, time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.maps import FLIPS
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import DEFAULT_TILES, MAX_BATCH_PIXELS, prepare_for_inference, to_device
from prn_pipeline.training.precision import best_device

#: Images of the batch that is measured.
BATCH = 8
#: It is measured so often, but no longer than this many seconds.
REPEATS, BUDGET = 5, 4.0


@dataclass(frozen=True)
class ModelCost:
    """Of one network: trained parameters, GFLOP an image (two a multiplication and addition), milliseconds an image."""

    parameters: int
    gflop: float
    milliseconds: float


def model_cost(network: nn.Module, inputs: Sequence[Tensor]) -> ModelCost:
    """Cost of a forward pass, in the precision and on the device that inference uses here; the least of a few times.

    Args:
        network: any; in eval mode on that device afterwards.
        inputs: what it takes, each (N,C,h,w).
    """
    device = best_device()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        network.eval().cpu()(*(tensor[:1] for tensor in inputs))
    fast, context = prepare_for_inference(network, device)
    given = [to_device(tensor, device) for tensor in inputs]
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < BUDGET:
        start = time.perf_counter()
        with torch.inference_mode(), context:
            fast(*given).float().cpu()
        seconds.append(time.perf_counter() - start)
    return ModelCost(parameters, counter.get_total_flops() / 1e9, 1000 * min(seconds) / len(inputs[0]))


def model_costs(base_model: MapSource, refiner: Refiner, samples: Samples) -> dict[str, Any]:
    """Costs of a base model and of a refiner on test images of their data set.

    Args:
        base_model: of the run.
        refiner: of the run.
        samples: with the arrays of both.

    Returns:
        As JSON {"base": ModelCost, or None where only maps are known; "refiner": ModelCost and "base_passes"}: a
        refiner that reads TTA costs so many more passes of the base model.
    """
    side = samples.store_of("images").shape("images")[1]
    shown = min(side, DEFAULT_TILES.size)  # a corner of larger images is measured
    rows = samples.rows(["test"])[: min(BATCH, max(1, MAX_BATCH_PIXELS // shown**2))]

    def stored(names: Sequence[str]) -> list[Tensor]:
        whole = [channels_first(torch.from_numpy(samples.array(name, rows))) for name in names]
        return [tensor[..., : _share(tensor, shown, side), : _share(tensor, shown, side)] for tensor in whole]

    corners = (side / shown) ** 2
    network = base_model.runnable
    passes = len(FLIPS) - 1 if "tta" in refiner.arrays else 0
    cost = model_cost(refiner, stored(refiner.arrays))
    return {
        "base": None if network is None else _rounded(model_cost(network, stored(base_model.arrays)), corners),
        "refiner": _rounded(cost, corners * samples.maps_per_image) | {"base_passes": passes},
    }


def _share(tensor: Tensor, shown: int, side: int) -> int:
    return tensor.shape[-1] * shown // side


def _rounded(cost: ModelCost, times: float = 1.0) -> dict[str, Any]:
    return asdict(cost) | {
        "gflop": round(times * cost.gflop, 4),
        "milliseconds": round(times * cost.milliseconds, 3),
    }
