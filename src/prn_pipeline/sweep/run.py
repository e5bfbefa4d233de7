"""Run what is stale of a benchmark through DVC, several base models at a time; a failure stops no other run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from prn_pipeline.layout.places import STAGE_LOGS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES
from prn_pipeline.sweep.environment import tool_environment
from prn_pipeline.sweep.failures import forget_failure, note_failed_stage
from prn_pipeline.sweep.plan import PlannedStage


@dataclass(frozen=True)
class Job:
    """Stages to run one after the other: the ingestion of a data set, or a base model with all of its runs.

    DVC locks what a stage reads and writes, and a whole pipeline all that it is built on: jobs run stage by stage, so
    that those of one data set can run at the same time.

    Attributes:
        name: for people and for the log.
        stages: in the order of a run; no other job writes what they write.
    """

    name: str
    stages: tuple[PlannedStage, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: addresses of the stages that were run, and of those that failed; `log` has all that was said."""

    job: Job
    log: Path
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def jobs_of(planned: Sequence[PlannedStage]) -> tuple[list[Job], list[Job]]:
    """Jobs that make data sets, and those that can run at the same time after them; in the order of the runs."""
    order = list(SCOPE_OF)
    ingestion = [Job(str(one.names["dataset"]), (one,)) for one in planned if SCOPE_OF[one.stage] == "dataset"]
    groups: dict[str, list[PlannedStage]] = {}
    for one in sorted(planned, key=lambda one: one.stage != order[-1]):  # every run has the last stage
        if SCOPE_OF[one.stage] != "dataset":
            groups.setdefault("-".join(str(one.names[name]) for name in SCOPES["base"]), []).append(one)

    def turn(one: PlannedStage) -> tuple[str, int]:
        return str(one.names.get("refiner", "")), order.index(one.stage)  # what refiners share has no refiner

    return ingestion, [Job(name, tuple(sorted(stages, key=turn))) for name, stages in groups.items()]


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
    environment = {**tool_environment(), **({"OMP_NUM_THREADS": str(threads)} if workers > 1 else {})}
    interrupted = threading.Event()

    def run(job: Job) -> Outcome:
        outcome = Outcome(job, project / STAGE_LOGS / f"{job.name}.log")
        outcome.log.parent.mkdir(parents=True, exist_ok=True)
        outcome.log.write_text("")
        for one in job.stages:
            if not interrupted.is_set() and not _waits_for(one, job, outcome.failed):
                forget_failure(one.stage, one.names, project)
                said = _reproduce(one, project, environment, outcome.log)
                if said is None:
                    outcome.done.append(one.address)
                elif not interrupted.is_set():
                    outcome.failed.append(one.address)
                    note_failed_stage(one.address, one.stage, one.names, said, project)
        if not interrupted.is_set():
            told(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=workers) as pool:
        running = [pool.submit(run, job) for job in jobs]
        try:
            yield from (job.result() for job in running)
        except KeyboardInterrupt:
            interrupted.set()
            for job in running:
                job.cancel()
            while wait(running, timeout=1).not_done:  # a terminal has told the stages too, and they may be ending
                _end_stages()
            raise


def _end_stages() -> None:
    """End what runs below each `dvc`: it sees its command fail, and leaves none of its own locks behind."""
    for dvc in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in dvc.children(recursive=True):
                process.terminate()


def _reproduce(one: PlannedStage, project: Path, environment: Mapping[str, str], log: Path) -> str | None:
    """Run one stage, its output at the end of the log; what it said if it failed."""
    before = log.stat().st_size
    with log.open("a") as output:
        done = subprocess.run(
            ["dvc", "--wait-for-lock", "repro", "--single-item", one.address],
            cwd=project,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return log.read_bytes()[before:].decode(errors="replace") if done.returncode else None


def _waits_for(one: PlannedStage, job: Job, failed: Sequence[str]) -> bool:
    """Whether a stage comes after one that has failed: what it is built on, or an earlier stage of its run."""
    broken = [other.names for other in job.stages if other.address in failed]
    return any(all(one.names.get(name) == value for name, value in names.items()) for names in broken)
