"""All that is stale of the benchmark: data sets one by one, then the base models and runs that are built on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prn_pipeline.sweep.failures import forget_failure
from prn_pipeline.sweep.lists import Lists, stage_addresses
from prn_pipeline.sweep.plan import PlannedStage, plan
from prn_pipeline.sweep.run import Outcome, jobs_of, run_jobs


def run_stale(lists: Lists, project: Path, workers: int, told: Callable[[Outcome], None]) -> list[Outcome]:
    """Run it; what is built on a data set that failed is left out.

    Args:
        lists: of the project; failures that they have on record and that are mended are forgotten.
        project: root of the repository.
        workers: base models at a time.
        told: of every outcome, as soon as it is known.

    Returns:
        How every job ended; none where nothing was stale.

    Raises:
        UserError: DVC cannot read the project.
    """
    planned = forget_mended(lists, project)
    data_sets, runs = jobs_of(planned)
    outcomes = list(run_jobs(data_sets, project, 1, told))
    broken = {outcome.job.name for outcome in outcomes if outcome.failed}
    runs = [job for job in runs if job.stages[0].names["dataset"] not in broken]
    return outcomes + list(run_jobs(runs, project, workers, told))


def forget_mended(lists: Lists, project: Path) -> list[PlannedStage]:
    """Forget failures of stages that are not stale any more, whoever has run them; what is stale.

    Raises:
        UserError: DVC cannot read the project.
    """
    planned = plan(lists, project)
    stale = {one.address for one in planned}
    for address, (stage, names) in stage_addresses(lists).items():
        if address not in stale:
            forget_failure(stage, names, project)
    return planned
