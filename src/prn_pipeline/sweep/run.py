"""Run stale stages through DVC, several base models at a time; a failed run does not stop the others."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil

from prn_pipeline.layout.places import STAGE_LOGS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES
from prn_pipeline.processes.secrets import redact
from prn_pipeline.sweep.environment import tool_environment
from prn_pipeline.sweep.failures import clear_failure, record_failed_stage
from prn_pipeline.sweep.plan import PlannedStage
from prn_pipeline.sweep.warm import stand_in
from prn_pipeline.sweep.warm.commands import WarmCommands, warm_commands


@dataclass(frozen=True)
class Job:
    """Stages to run one after the other: the ingestion of a data set, or a base model with all of its runs.

    A stage run by `dvc repro --single-item` locks only what it reads and writes, so jobs of one data set can run at the
    same time. `dvc repro` of a whole pipeline would lock everything it builds on.

    Attributes:
        name: for messages and the log file.
        stages: in the order of a run; no other job writes their outputs.
    """

    name: str
    stages: tuple[PlannedStage, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: the job.
        log: file with the output of its stages.
        done: addresses of the stages that succeeded.
        failed: addresses of the stages that failed.
    """

    job: Job
    log: Path
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def jobs_of(planned: Sequence[PlannedStage]) -> tuple[list[Job], list[Job]]:
    """Jobs that ingest data sets, and jobs that can run at the same time after them; both in the order of the runs."""
    order = list(SCOPE_OF)
    ingestion = [Job(str(one.names["dataset"]), (one,)) for one in planned if SCOPE_OF[one.stage] == "dataset"]
    groups: dict[str, list[PlannedStage]] = {}
    for one in sorted(planned, key=lambda one: one.stage != order[-1]):  # every run has the last stage
        if SCOPE_OF[one.stage] != "dataset":
            groups.setdefault("-".join(str(one.names[name]) for name in SCOPES["base"]), []).append(one)

    def position(one: PlannedStage) -> tuple[str, int]:
        return str(one.names.get("refiner", "")), order.index(one.stage)  # stages that refiners share come first

    return ingestion, [Job(name, tuple(sorted(stages, key=position))) for name, stages in groups.items()]


def run_jobs(
    jobs: Sequence[Job],
    project: Path,
    workers: int,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    on_stage: Callable[[Job, int], None] = lambda _, __: None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Outcome]:
    """Run jobs, `workers` at a time, each with its share of the cores; yield outcomes in the order of `jobs`.

    Args:
        jobs: no two of them write the same files.
        project: root of the repository.
        workers: jobs at a time.
        on_outcome: called with every outcome as soon as it is known, in the thread that ran the job.
        on_stage: called before a stage runs, with its job and its place there, from 1; also in that thread.
        variables: environment variables of the stages, in addition to those of this process.
    """
    if not jobs:
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {**tool_environment(), **variables, **({"OMP_NUM_THREADS": str(threads)} if workers > 1 else {})}
    interrupted = threading.Event()

    def run(job: Job) -> Outcome:
        outcome = Outcome(job, project / STAGE_LOGS / f"{job.name}.log")
        outcome.log.parent.mkdir(parents=True, exist_ok=True)
        outcome.log.write_text("")
        for number, one in enumerate(job.stages, 1):
            if not interrupted.is_set() and not _follows_failed(one, job, outcome.failed):
                clear_failure(one.stage, one.names, project)
                on_stage(job, number)
                error_output = _reproduce(one, project, commands.environment, outcome.log)
                if error_output is None:
                    outcome.done.append(one.address)
                elif not interrupted.wait(0.2):  # Ctrl-C may have ended it before this process has seen it
                    outcome.failed.append(one.address)
                    record_failed_stage(one.address, one.stage, one.names, error_output, project)
        if not interrupted.is_set():
            on_outcome(outcome)
        return outcome

    with warm_commands(project, environment) as commands, ThreadPoolExecutor(max_workers=workers) as pool:
        running = [pool.submit(run, job) for job in jobs]
        try:
            yield from (job.result() for job in running)
        except KeyboardInterrupt:
            interrupted.set()
            for job in running:
                job.cancel()
            # Ctrl-C in a terminal reaches the stages too: they may be ending, also where `dvc` has ended before them
            while wait(running, timeout=1).not_done or psutil.wait_procs(commands.running(), timeout=1)[1]:
                _terminate_stages(commands)
            raise


def _terminate_stages(commands: WarmCommands) -> None:
    """Terminate what each `dvc` runs, not `dvc` itself: it then sees its command fail and releases its own locks.

    Nor the shell in which `dvc` runs it: the shell would end at once, and `dvc` before the command.
    """
    answering = {process.pid for process in commands.processes.values()}
    started = [process for process in psutil.Process().children() if process.pid not in answering]
    for dvc in [*started, *commands.running("dvc")]:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in dvc.children(recursive=True):
                if not _waits_for_another(process):
                    process.terminate()
    for stage in commands.running("kedro"):
        with contextlib.suppress(psutil.NoSuchProcess):
            stage.terminate()


def _waits_for_another(process: psutil.Process) -> bool:
    """Whether a process is a shell that waits for its command, or stands for one that runs in a fork."""
    shell = Path(os.environ.get("SHELL") or "/bin/sh").name
    return (process.name() == shell and bool(process.children())) or stand_in.__file__ in process.cmdline()


def _reproduce(one: PlannedStage, project: Path, environment: Mapping[str, str], log: Path) -> str | None:
    """Run one stage and append its output to the log; return the output if the stage failed, None if it succeeded."""
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
    written = log.read_bytes()
    text = written[before:].decode(errors="replace")
    if (redacted := redact(text)) != text:  # the stage redacts what it prints itself, DVC does not
        log.write_bytes(written[:before] + redacted.encode())
    return redacted if done.returncode else None


def _follows_failed(one: PlannedStage, job: Job, failed: Sequence[str]) -> bool:
    """Whether a stage builds on one that failed: a stage that its run shares, or an earlier stage of its run."""
    broken = [other.names for other in job.stages if other.address in failed]
    return any(all(one.names.get(name) == value for name, value in names.items()) for names in broken)
