"""`python -m benchmarks.matrix`: run the cells of conf/base/benchmark.yml that have no scores, then write the page.

Cells of one data set, base model and seed share their base model, maps and pseudo-labels; what is there is kept, so an
interrupted run goes on where it stopped. After a change of settings remove the scores, and the folders of these
artefacts below data/, that should be made again. A cell that fails is reported and stops no other.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.results_page import write_page

CONFIG = Path("conf/base/benchmark.yml")
METRICS = Path("metrics")
PAGE = Path("docs/results.md")
DATA = Path("data")
LOGS = DATA / "08_reporting" / "matrix"
SHARED = ("ingestion", "base_training", "logit_caching", "pseudo_labelling")
OWN = ("prn_training", "evaluation", "reporting")


def scores_file(dataset: str, base_model: str, refiner: str, seed: int) -> Path:
    """Where the evaluation of a cell writes its scores."""
    return METRICS / dataset / base_model / refiner / f"seed-{seed}.json"


def maps_folder(dataset: str, base_model: str, seed: int) -> Path:
    """What the last of the shared stages leaves, whole or not at all: where it is, no base model is trained again."""
    return DATA / "05_model_input" / dataset / base_model / f"seed-{seed}" / "pseudo_labels.zarr"


def missing(config: dict[str, Any]) -> Iterator[tuple[tuple[str, str, int], list[str]]]:
    """(data set, base model, seed) and the refiners that have no scores there; those with none are left out."""
    for seed, dataset, base_model in itertools.product(config["seeds"], config["datasets"], config["base_models"]):
        left = [name for name in config["refiners"] if not scores_file(dataset, base_model, name, seed).is_file()]
        if left:
            yield (dataset, base_model, seed), left


def kedro(
    pipelines: Sequence[str],
    dataset: str,
    base_model: str,
    seed: int,
    refiner: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> bool:
    """Run pipelines of one cell with `extra` parameters, their output in a log of their own; whether all went well."""
    names: dict[str, Any] = {"dataset": dataset, "base_model": base_model, "seed": seed} | (
        {"refiner": refiner} if refiner else {}
    )
    log = LOGS / "-".join([dataset, base_model, f"seed{seed}", refiner or "base", f"{pipelines[0]}.log"])
    log.parent.mkdir(parents=True, exist_ok=True)
    parameters = ",".join(f"{key}={value}" for key, value in (names | dict(extra or {})).items())
    start = time.perf_counter()
    with log.open("w") as output:
        done = subprocess.run(
            ["kedro", "run", "--pipelines", ",".join(pipelines), "--params", parameters],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = time.perf_counter() - start
    print(f"{'done  ' if not done.returncode else 'FAILED'} {seconds:5.0f} s  {parameters}  {log}", flush=True)
    return done.returncode == 0


def run(config: dict[str, Any]) -> int:
    """Run what is missing; the number of cells that failed."""
    failed = 0
    for (dataset, base_model, seed), refiners in missing(config):
        if not maps_folder(dataset, base_model, seed).is_dir() and not kedro(SHARED, dataset, base_model, seed):
            failed += len(refiners)
            continue
        failed += sum(not kedro(OWN, dataset, base_model, seed, refiner) for refiner in refiners)
    return failed


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrix", description=__doc__)
    parser.add_argument("--page-only", action="store_true", help="run nothing: make docs/results.md from the scores")
    options = parser.parse_args(arguments)
    config = yaml.safe_load(CONFIG.read_text())
    failed = 0 if options.page_only else run(config)
    write_page(PAGE, METRICS, config)
    print(PAGE)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
