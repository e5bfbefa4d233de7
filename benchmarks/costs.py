"""`python -m benchmarks.costs`: parameters, arithmetic and time of every refiner, as a share of the base model's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.matrix import CONFIG, METRICS, PAGE
from benchmarks.results_page import MAIN, read_cells, replace_between
from benchmarks.stored_cells import named_settings
from prn_pipeline.refinement.building import build_refiner
from prn_pipeline.refinement.settings import read_settings
from prn_pipeline.segmentation import BaseModel, BaseModelSettings
from prn_pipeline.segmentation.maps import FLIPS
from prn_pipeline.training.inference import ready
from prn_pipeline.training.precision import best_device

BEGIN, END = "<!-- costs: begin -->", "<!-- costs: end -->"
SIDE, BATCH, REPEATS = 256, 8, 5


@dataclass(frozen=True)
class Cost:
    """Of one network: trained parameters, GFLOP (two a multiplication and addition) and milliseconds an image."""

    parameters: int
    gflop: float
    milliseconds: float


def measure(network: nn.Module, inputs: list[Tensor]) -> Cost:
    """Cost of a forward pass over `inputs`, each (BATCH, C, h, w); time is the least of a few repeats."""
    device = best_device()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    counter = FlopCounterMode(display=False)
    network.eval()
    with torch.inference_mode(), counter:
        network(*inputs)
    fast, context = ready(network, device)
    given = [tensor.to(device).contiguous(memory_format=torch.channels_last) for tensor in inputs]
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        with torch.inference_mode(), context:
            fast(*given).float().cpu()
        seconds.append(time.perf_counter() - start)
    return Cost(parameters, counter.get_total_flops() / BATCH / 1e9, 1000 * min(seconds) / BATCH)


def readings(arrays: tuple[str, ...]) -> list[Tensor]:
    """Arrays as they are stored, of noise."""
    images = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8)
    known = {"logits": torch.randn(BATCH, 1, SIDE, SIDE), "views": torch.rand(BATCH, 2, SIDE, SIDE), "images": images}
    return [known[name] for name in arrays]


def section(config: dict[str, Any]) -> str:
    """Markdown: base models first, then refiners; a refiner that reads views pays for the base model's other passes."""
    bases = {
        name: measure(
            BaseModel(BaseModelSettings(**named_settings("base_models", name)[0]), pretrained=False),
            readings(("images",)),
        )
        for name in config["base_models"]
    }
    lines = [
        "| | parameters | GFLOP | ms an image | " + " | ".join(f"share of `{name}`" for name in bases) + " | gain |"
    ]
    lines.append("|" + "---|" * (5 + len(bases)))
    for name, cost in bases.items():
        shares = " | ".join("" for _ in bases)
        lines.append(f"| `{name}` | {cost.parameters:,} | {cost.gflop:.2f} | {cost.milliseconds:.1f} | {shares} | |")
    cells = read_cells(METRICS, config)
    for name in config["refiners"]:
        refiner = build_refiner(read_settings(named_settings("refiners", name)[0]))
        cost = measure(refiner, readings(refiner.arrays))
        passes = len(FLIPS) - 1 if "views" in refiner.arrays else 0
        shares = " | ".join(f"{passes + cost.milliseconds / base.milliseconds:.2f}" for base in bases.values())
        gains = [100 * cell["gain"]["vs_base"]["iou_micro"] for cell in cells if cell["refiner"] == name]
        gain = f"{np.mean(gains):+.2f}" if gains else ""
        row = f"{cost.parameters:,} | {cost.gflop:.2f} | {cost.milliseconds:.1f} | {shares} | {gain}"
        lines.append(f"| {'**' if name == MAIN else ''}`{name}`{'**' if name == MAIN else ''} | {row} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and put the table into the page."""
    replace_between(PAGE, BEGIN, END, section(yaml.safe_load(CONFIG.read_text())))
    print(PAGE)


if __name__ == "__main__":
    main()
