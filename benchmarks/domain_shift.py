"""`python -m benchmarks.domain_shift`: frozen base models under domain shift, refined or fine-tuned.

For each data set of `shifted_data.SHIFTED`: the base model learns from the old domain, then is frozen; refiners learn
from the labelled images of the new one. Two of them are the base model's own network (`base_network`), fine-tuned: for
about as many seconds as a refiner (`fine_tune`), and for as many steps as the base model learned.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.keep_results import keep_scores
from benchmarks.run_once import OWN, SHARED, kedro, maps_folder, scores_file
from benchmarks.shifted_data import SHIFTED, make_shifted
from benchmarks.stored_runs import named_settings
from prn_pipeline.errors import UserError

BASE_MODEL = "unet_resnet18_small"
#: Where the data sets are made.
RAW = Path("data/01_raw")
REFINERS = ("prn", "bias_field", "trees", "fine_tune")
#: The same as `fine_tune`, for as many steps as the base model learned.
LONG = "fine_tuned"
METHODS = (*REFINERS, LONG)
SEEDS = (0, 1)
EPOCHS = 40
#: The new domain selects nothing for the base model: neither a rate, nor an epoch, nor the end.
FROZEN_TRAINING = {"epochs": str(EPOCHS), "schedule": "cosine", "early_stop_patience": "null", "keep": "last"}
#: And refiners learn nothing from maps of the old domain.
FROZEN = {f"base_models.{BASE_MODEL}.training.{key}": value for key, value in FROZEN_TRAINING.items()} | {
    f"refiners.{refiner}.seen_maps": "false" for refiner in ("prn", "bias_field")
}


def long_fine_tuning() -> dict[str, str]:
    """Parameters of `LONG`: those of `fine_tune`, for more epochs."""
    block, training = named_settings("refiners", "fine_tune")
    del training["augmentation"]
    return (
        {f"refiners.{LONG}.{key}": str(value) for key, value in block.items() if key != "learning_rates"}
        | {f"refiners.{LONG}.training.{key}": str(value) for key, value in (training | {"epochs": EPOCHS}).items()}
        | {f"refiners.{LONG}.training.augmentation.crop": "null"}
    )


def run_shifted(name: str, seed: int, root: Path) -> None:
    """All that has no scores yet."""
    make_shifted(name, root, RAW)
    parameters: dict[str, dict[str, str]] = {refiner: {} for refiner in REFINERS} | {LONG: long_fine_tuning()}
    left = [refiner for refiner in parameters if not scores_file(name, BASE_MODEL, refiner, seed).is_file()]
    if not maps_folder(name, BASE_MODEL, seed).is_dir() and not kedro(SHARED, name, BASE_MODEL, seed, extra=FROZEN):
        return
    for refiner in left:
        kedro(OWN, name, BASE_MODEL, seed, refiner, extra=FROZEN | parameters[refiner])


def main() -> None:
    """Run what has no scores yet, then keep all scores."""
    root = Path(os.environ.pop("PRN_DATA_ROOT", RAW))
    try:
        for seed in SEEDS:
            for name in SHIFTED:
                run_shifted(name, seed, root)
    except UserError as error:
        sys.exit(str(error))
    keep_scores(Path(), [(name, BASE_MODEL, method, seed) for name in SHIFTED for method in METHODS for seed in SEEDS])


if __name__ == "__main__":
    main()
