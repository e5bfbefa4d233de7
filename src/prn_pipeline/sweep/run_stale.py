"""Run all stale stages of a sweep: data sets first, then the base models and runs that build on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prn_pipeline.sweep.failures import clear_failure
from prn_pipeline.sweep.lists import Lists, stage_addresses
from prn_pipeline.sweep.plan import PlannedStage, plan
from prn_pipeline.sweep.run import Job, Outcome, jobs_of, run_jobs


def run_stale(
    lists: Lists,
    project: Path,
    workers: int,
    on_outcome: Callable[[Outcome], None],
    on_stage: Callable[[Job, int], None] = lambda _, __: None,
) -> list[Outcome]:
    """Run what is stale, except what builds on a data set whose ingestion fails.

    Args:
        lists: of the project.
        project: root of the repository.
        workers: base models at a time.
        on_outcome: called with every outcome as soon as it is known.
        on_stage: called before every stage; see `run_jobs`.

    Returns:
        How every job ended; empty if nothing was stale.

    Raises:
        UserError: DVC cannot read the project.
    """
    planned = clear_resolved_failures(lists, project)
    data_sets, runs = jobs_of(planned)
    outcomes = list(run_jobs(data_sets, project, 1, on_outcome, on_stage))
    failed = {outcome.job.name for outcome in outcomes if outcome.failed}
    runs = [job for job in runs if job.stages[0].names["dataset"] not in failed]
    return outcomes + list(run_jobs(runs, project, workers, on_outcome, on_stage))


def clear_resolved_failures(lists: Lists, project: Path) -> list[PlannedStage]:
    """Remove the recorded failures of stages that are no longer stale; `dvc repro` itself may have run them.

    Returns:
        The stages that are stale.

    Raises:
        UserError: DVC cannot read the project.
    """
    planned = plan(lists, project)
    stale = {one.address for one in planned}
    for address, (stage, names) in stage_addresses(lists).items():
        if address not in stale:
            clear_failure(stage, names, project)
    return planned
