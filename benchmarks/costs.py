"""`python -m benchmarks.costs`: parameters, arithmetic and time of every refiner, as a share of the base model's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import yaml
from torch import Tensor

from benchmarks.results_page import MAIN, PAGE, replace_mark
from benchmarks.situations import of_lists
from benchmarks.stored_runs import CONF, all_names, named_settings
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.registry import build_refiner, read_settings
from prn_pipeline.segmentation.input_names import TTA, TTA_SCALES
from prn_pipeline.segmentation.maps import FLIPS
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.stages.evaluation.model_costs import model_cost

MARK = "costs"
SIDE, BATCH = 256, 8


def inputs_of(arrays: tuple[str, ...]) -> list[Tensor]:
    """Arrays as they are stored, of noise."""
    images = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8)
    logits = torch.randn(BATCH, 1, SIDE, SIDE)
    known = {"logits": logits, TTA: torch.rand(BATCH, 2, SIDE, SIDE), TTA_SCALES: logits, "images": images}
    return [known[name] for name in arrays]


def further_passes(arrays: tuple[str, ...]) -> int:
    """Passes of the base model, beside its own, for a refiner that reads these arrays."""
    caching = yaml.safe_load((CONF / "parameters_logit_caching.yml").read_text())["logit_caching"]
    scales = len(caching["tta_scales"]) if TTA_SCALES in arrays else 0
    return len(FLIPS) * (1 + scales) - 1 if scales or TTA in arrays else 0


def section(base_models: Sequence[str]) -> str:
    """Markdown: base models first, then refiners; a refiner that reads TTA costs further passes of the base model."""
    bases = {
        name: model_cost(
            BaseModel(BaseModelSettings(**named_settings("base_models", name)[0]), pretrained=False),
            inputs_of(("images",)),
        )
        for name in base_models
    }
    lines = ["| | parameters | GFLOP | ms per image | " + " | ".join(f"share of `{name}`" for name in bases) + " |"]
    lines.append("|" + "---|" * (4 + len(bases)))
    for name, cost in bases.items():
        shares = " | ".join("" for _ in bases)
        lines.append(f"| `{name}` | {cost.parameters:,} | {cost.gflop:.2f} | {cost.milliseconds:.1f} | {shares} |")
    for name in all_names("refiners"):
        settings = read_settings(named_settings("refiners", name)[0])
        if isinstance(settings, BaseNetworkSettings):
            continue  # costs what the base model costs, in place of it
        refiner = build_refiner(settings)
        cost = model_cost(refiner, inputs_of(refiner.arrays))
        passes = further_passes(refiner.arrays)
        shares = " | ".join(f"{passes + cost.milliseconds / base.milliseconds:.2f}" for base in bases.values())
        row = f"{cost.parameters:,} | {cost.gflop:.2f} | {cost.milliseconds:.1f} | {shares}"
        lines.append(f"| {'**' if name == MAIN else ''}`{name}`{'**' if name == MAIN else ''} | {row} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and put the table into the page."""
    replace_mark(PAGE, MARK, section(of_lists("trained_out")[0]["base_models"]))
    print(PAGE)


if __name__ == "__main__":
    main()
