"""Run what is stale of a benchmark through DVC, several base models at a time; a failure stops no other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from prn_pipeline.benchmark.lists import Lists
from prn_pipeline.scopes import SCOPE_OF

#: Outputs of the jobs, below the project.
LOGS = Path("data/08_reporting/benchmark")
#: The last stage of a cell: DVC runs all that it builds on.
LAST = list(SCOPE_OF)[-1]


@dataclass(frozen=True)
class Job:
    """Cells that share their base model, or the ingestion of a data set: run one after the other by one `dvc repro`.

    Attributes:
        name: for people and for the log.
        targets: stages, as DVC calls them.
    """

    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `log` has all that it said."""

    job: Job
    failed: bool
    log: Path


def ingestion_jobs(lists: Lists) -> list[Job]:
    """One a data set: before any job that uses it, since no two may make it at a time."""
    return [Job(f"{dataset}", (f"ingestion@{dataset}",)) for dataset in dict.fromkeys(lists.datasets)]


def cell_jobs(lists: Lists) -> list[Job]:
    """One a data set, base model and seed, with all refiners."""
    jobs: dict[str, list[str]] = {}
    for cell in lists.cells():
        name = f"{cell['dataset']}-{cell['base_model']}-{cell['seed']}"
        target = f"{LAST}@{cell['dataset']}-{cell['base_model']}-{cell['refiner']}-{cell['seed']}"
        jobs.setdefault(name, []).append(target)
    return [Job(name, tuple(targets)) for name, targets in jobs.items()]


def run_jobs(
    jobs: Sequence[Job], project: Path, workers: int, told: Callable[[Outcome], None] = lambda _: None
) -> Iterator[Outcome]:
    """Run jobs, `workers` at a time, each with its share of the cores; outcomes in the order of `jobs`.

    Args:
        jobs: that do not write the same files.
        project: root of the repository.
        workers: at a time.
        told: of every outcome, as soon as it is known, from the thread that ran it.
    """
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if workers > 1 else {})}
    environment.pop("PRN_DATA_ROOT", None)  # stages read what DVC tracks

    def run(job: Job) -> Outcome:
        log = project / LOGS / f"{job.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            done = subprocess.run(
                ["dvc", "--wait-for-lock", "repro", "--keep-going", *job.targets],
                cwd=project,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        outcome = Outcome(job, done.returncode != 0, log)
        told(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=workers) as pool:
        yield from pool.map(run, jobs)
