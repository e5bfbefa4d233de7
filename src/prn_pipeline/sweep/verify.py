"""Make one committed run again in a copy of the project, and compare it with its committed results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import METRICS
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.sweep.committed_results import COMMITTED_LOCK, CommittedRun, changed_since_lock
from prn_pipeline.sweep.dvc_lock import read_lock
from prn_pipeline.sweep.lists import read_lists, unknown_names
from prn_pipeline.sweep.plan import plan
from prn_pipeline.sweep.project_copy import isolated_environment, project_copy
from prn_pipeline.sweep.raw_data import without_raw_data
from prn_pipeline.sweep.run import jobs_of, run_jobs
from prn_pipeline.sweep.verification import LockDifference, ScoreDifference, lock_differences, score_differences

#: A stage without scores: its output has times and pictures.
NOT_VERIFIED = "reporting"


@dataclass(frozen=True)
class Verification:
    """How a run compares with its committed results.

    Attributes:
        scores: values that differ, the largest difference first; empty if the scores agree to the last digit.
        lock: recorded commands, dependencies, parameters and outputs that differ, in the order of the stages.
        recorded: whether the committed lock has the run.
    """

    scores: list[ScoreDifference]
    lock: list[LockDifference]
    recorded: bool


def verify(
    run: CommittedRun, project: Path, data: Path | None, *, keep: bool, echo: Callable[[str], None]
) -> Verification:
    """Make the run again in a copy of the project, from ingestion to its scores, and compare.

    Args:
        run: to make again.
        project: root of the repository; its data, metrics, dvc.lock and MLflow runs are not touched.
        data: the user's folder of data sets, for raw data that is not in data/01_raw.
        keep: keep the copy.
        echo: prints a line.

    Raises:
        UserError: the run lacks raw data or has an unknown name, a stage failed, or the committed scores have another
            schema.
    """
    committed = read_scores(run.scores)
    with project_copy(project, run.names, data, keep=keep) as copy:
        lists = read_lists(copy)
        if problems := [*unknown_names(lists, copy), *without_raw_data(lists.datasets, copy)]:
            raise UserError("; ".join(problems))
        echo(f"making {run.name} again in {copy}")
        stages = [one for one in plan(lists, copy) if one.stage != NOT_VERIFIED]
        for jobs in jobs_of(stages):
            for outcome in run_jobs(jobs, copy, workers=1, variables=isolated_environment(copy)):
                if outcome.failed:
                    raise UserError(f"{', '.join(outcome.failed)} failed:\n{outcome.log.read_text().rstrip()}")
        found = read_scores(copy / METRICS / f"{scope_path('run', run.names)}.json")
        locks = read_lock(project / COMMITTED_LOCK), read_lock(copy / "dvc.lock")
        addresses = [one.address for one in stages]
        return Verification(
            score_differences(committed, found),
            [_with_files(one, project) for one in lock_differences(*locks, addresses)],
            recorded=any(address in locks[0] for address in addresses),
        )


def _with_files(difference: LockDifference, project: Path) -> LockDifference:
    """The difference with the changed files of its folder: dvc.lock has one hash for a whole folder of code."""
    if difference.kind != "dependency" or not (project / difference.name).is_dir():
        return difference
    return replace(difference, files=changed_since_lock(difference.name, project))
