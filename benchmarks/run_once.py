"""Runs of `kedro run` for measurements that DVC's matrix has no place for, and where their scores are."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prn_pipeline.layout.places import METRICS, REPORTS
from prn_pipeline.layout.scopes import SCOPE_OF, scope_path

PAGE = Path("docs/results.md")
DATA = Path("data")
LOGS = REPORTS / "benchmark"
SHARED = tuple(stage for stage, scope in SCOPE_OF.items() if scope != "run")
OWN = tuple(stage for stage, scope in SCOPE_OF.items() if scope == "run")


def scores_file(dataset: str, base_model: str, refiner: str, seed: int) -> Path:
    """Where the evaluation of a run writes its scores."""
    names = {"dataset": dataset, "base_model": base_model, "refiner": refiner, "seed": seed}
    return METRICS / f"{scope_path('run', names)}.json"


def maps_folder(dataset: str, base_model: str, seed: int) -> Path:
    """What the last of the shared stages leaves, whole or not at all: where it is, no base model is trained again."""
    return DATA / "05_model_input" / dataset / base_model / f"seed-{seed}" / "pseudo_labels.zarr"


def kedro(
    pipelines: Sequence[str],
    dataset: str,
    base_model: str,
    seed: int,
    refiner: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> bool:
    """Run pipelines of one run with `extra` parameters, their output in a log of their own; whether all went well."""
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
