"""`python -m benchmarks.domain_shift`: frozen base models under domain shift, refined or fine-tuned.

For each data set of `shifted_data.SHIFTED`: the base model learns from the old domain, then is frozen; refiners learn
from the labelled images of the new one. One of them is the base model's own network (`base_network`), fine-tuned for as
many steps as the base model was trained, and for a tenth of them. Then docs/results.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.domain_shift_page import RAW, write_page
from benchmarks.keep_results import keep_scores
from benchmarks.run_once import OWN, PAGE, SHARED, kedro, maps_folder, scores_file
from benchmarks.shifted_data import SHIFTED, make_shifted
from benchmarks.stored_runs import named_settings
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.kind import BASE_NETWORK
from prn_pipeline.sweep.committed_results import RESULTS

BASE_MODEL = "unet_resnet18_small"
REFINERS = ("prn", "prn_quick", "bias_field")
SEEDS = (0, 1)
#: The new domain selects nothing for the base model, and refiners learn nothing from maps of the old domain.
FROZEN = {f"base_models.{BASE_MODEL}.training.keep": "last"} | {
    f"refiners.{refiner}.seen_maps": "false" for refiner in REFINERS
}


def budgets() -> dict[str, dict[str, str]]:
    """Parameters of fine-tuning, by name: as many steps as the base model had, and a tenth of them."""
    training = named_settings("base_models", BASE_MODEL)[1]
    steps = {"fine_tuned": training["steps_per_epoch"], "fine_tuned_tenth": training["steps_per_epoch"] // 10}
    return {
        name: {
            f"refiners.{name}.network": BASE_NETWORK.name,
            f"refiners.{name}.training.epochs": str(training["epochs"]),
            f"refiners.{name}.training.steps_per_epoch": str(of_epoch),
            f"refiners.{name}.training.batch_size": "8",
            f"refiners.{name}.training.augmentation.crop": "null",
        }
        for name, of_epoch in steps.items()
    }


def run_shifted(name: str, seed: int, root: Path) -> None:
    """All that has no scores yet."""
    make_shifted(name, root, RAW)
    parameters: dict[str, dict[str, str]] = {refiner: {} for refiner in REFINERS} | budgets()
    left = [refiner for refiner in parameters if not scores_file(name, BASE_MODEL, refiner, seed).is_file()]
    if not maps_folder(name, BASE_MODEL, seed).is_dir() and not kedro(SHARED, name, BASE_MODEL, seed, extra=FROZEN):
        return
    for refiner in left:
        kedro(OWN, name, BASE_MODEL, seed, refiner, extra=FROZEN | parameters[refiner])


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
