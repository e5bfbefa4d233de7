"""`python -m benchmarks.domain_shift`: frozen base models under domain shift, refined or fine-tuned.

For each data set of `shifted_data.SHIFTED`: the base model learns from the old domain, then is frozen; refiners learn
from the labelled images of the new one; fine-tuning trains the base model itself on the same images, once for as many
steps as the base model was trained, once for a tenth of them. Then docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.domain_shift_page import TRAINING, write_page
from benchmarks.fine_tuning import fine_tune
from benchmarks.keep_results import keep_scores
from benchmarks.run_once import OWN, PAGE, SHARED, kedro, maps_folder, scores_file
from benchmarks.shifted_data import SHIFTED, make_shifted
from prn_pipeline.comparison.scores_file import SCHEMA
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError
from prn_pipeline.sweep.committed_results import RESULTS

BASE_MODEL = "unet_resnet18_small"
REFINERS = ("prn", "prn_quick", "bias_field")
SEEDS = (0, 1)
#: The new domain selects nothing for the base model, and refiners learn nothing from maps of the old domain.
FROZEN = {f"base_models.{BASE_MODEL}.training.keep": "last"} | {
    f"refiners.{refiner}.seen_maps": "false" for refiner in REFINERS
}
RAW = Path("data/01_raw")


def budgets() -> dict[str, int]:
    """Steps of fine-tuning, by name: as many as the base model had, and a tenth of them."""
    models = yaml.safe_load(Path("conf/base/parameters_base_models.yml").read_text())["base_models"]
    training = models[BASE_MODEL]["training"]
    steps = training["epochs"] * training["steps_per_epoch"]
    return {"fine_tuned": steps, "fine_tuned_tenth": steps // 10}


def run_shifted(name: str, seed: int, root: Path) -> None:
    """All that has no scores yet."""
    make_shifted(name, root, RAW)
    left = [refiner for refiner in REFINERS if not scores_file(name, BASE_MODEL, refiner, seed).is_file()]
    if not maps_folder(name, BASE_MODEL, seed).is_dir() and not kedro(SHARED, name, BASE_MODEL, seed, extra=FROZEN):
        return
    for refiner in left:
        kedro(OWN, name, BASE_MODEL, seed, refiner, extra=FROZEN)
    for method, steps in budgets().items():
        target = scores_file(name, BASE_MODEL, method, seed)
        if not target.is_file():
            tuned = fine_tune(name, BASE_MODEL, seed, steps)
            named = {"dataset": name, "base_model": BASE_MODEL, "refiner": method, "seed": seed, "steps": steps}
            found = {"schema": SCHEMA} | named | tuned.scores | {"learning_rate": tuned.learning_rate}
            found["seconds"] = {TRAINING[-1]: round(tuned.seconds, 2)}
            with atomic_write(target) as temporary:
                temporary.write_text(json.dumps(found, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.domain_shift", description=__doc__)
    parser.add_argument("--page-only", action="store_true", help="run nothing: make docs/results.md from the scores")
    options = parser.parse_args(arguments)
    root = Path(os.environ.pop("PRN_DATA_ROOT", RAW))
    if not options.page_only:
        try:
            for seed in SEEDS:
                for name in SHIFTED:
                    run_shifted(name, seed, root)
        except UserError as error:
            sys.exit(str(error))
    methods = (*REFINERS, *budgets())
    keep_scores(Path(), [(name, BASE_MODEL, method, seed) for name in SHIFTED for method in methods for seed in SEEDS])
    write_page(PAGE, RESULTS, methods, BASE_MODEL, SEEDS)
    print(PAGE)


if __name__ == "__main__":
    main()
