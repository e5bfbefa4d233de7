"""`python -m benchmarks.ablation`: what each ingredient of `prn` is worth, on maps that were left out of training.

Each variant is trained as the pipeline trains it, with the steps of `prn_quick`, on maps of the runs that have been
run. The judge is the ensemble's own: every map of val refined by the member that has not learned from it. The test
images are not touched.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.results_page import replace_mark
from benchmarks.stored_runs import CONF, named_settings, open_map_manifest, open_samples
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.settings import TrainingSettings

MARK = "ablation"
FOUND = Path("benchmarks/results/ablation.json")
#: What is varied: `prn` with a sixth of its steps, since seven times three trainings have to end some time.
WHOLE = "prn_quick"
RUNS = (
    ("drive", "fpn_mobilenet_v3"),
    ("crackforest", "fpn_mobilenet_v3"),
    ("epfl_roads", "fpn_mobilenet_v3"),
    ("ecssd", "fpn_mobilenet_v3"),
)
SEED = 0
PAGE = Path("docs/experiments.md")
#: What is changed in it and in its training.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "`prn_quick`": ({}, {}),
    "without TTA": ({"inputs": ["images"]}, {}),
    "without the image": ({"inputs": ["tta"]}, {}),
    "without maps of seen images": ({"seen_maps": False}, {}),
    "without the region branch": ({"region_size": 0}, {}),
    "without the detail branch": ({"detail_width": 0}, {}),
    "without pseudo-labels": ({"pseudo_label_weight": 0.0}, {}),
}


def measure(dataset: str, base_model: str, changes: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """Out-of-fold iou_micro of the base model and of a variant, and how far the variant is trusted."""
    block, own_training = named_settings("refiners", WHOLE)
    common = yaml.safe_load((CONF / "parameters_prn_training.yml").read_text())["prn_training"]
    with tempfile.TemporaryDirectory() as checkpoints:
        maps = LearningMaps(open_samples(dataset, base_model, SEED), open_map_manifest(dataset, base_model, SEED))
        plan = FittingPlan(TrainingSettings.model_validate(common | own_training | training), SEED, Path(checkpoints))
        network = train_refiner(maps, read_settings(block | changes), plan).network
    assert isinstance(network, FoldEnsemble)
    base, refined = network.out_of_fold_iou.tolist()
    return {"base": base, "refined": refined, "correction": list(network.correction)}


def section(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown: a row a variant, a column a run, gains in points."""
    runs = [f"{dataset}/{base_model}" for dataset, base_model in RUNS]
    lines = ["| | " + " | ".join(f"`{run}`" for run in runs) + " | mean |", "|" + "---|" * (len(runs) + 2)]
    for variant in VARIANTS:
        gains = [found.get(variant, {}).get(run) for run in runs]
        points = [100 * (gain["refined"] - gain["base"]) for gain in gains if gain]
        shown = " | ".join(f"{100 * (gain['refined'] - gain['base']):+.2f}" if gain else "" for gain in gains)
        lines.append(f"| {variant} | {shown} | {f'{np.mean(points):+.2f}' if len(points) == len(runs) else ''} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing in `FOUND`, then put the table into the page."""
    found = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    for variant, (changes, training) in VARIANTS.items():
        for dataset, base_model in RUNS:
            of_variant = found.setdefault(variant, {})
            if f"{dataset}/{base_model}" not in of_variant:
                of_variant[f"{dataset}/{base_model}"] = measure(dataset, base_model, changes, training)
                FOUND.parent.mkdir(exist_ok=True)
                FOUND.write_text(json.dumps(found, indent=2) + "\n")
                print(dataset, base_model, variant, of_variant[f"{dataset}/{base_model}"], flush=True)
    replace_mark(PAGE, MARK, section(found))
    print(PAGE)


if __name__ == "__main__":
    main()
