"""Which stages DVC would run, and why."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import networkx
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage

from prn_pipeline.sweep.dvc_lock import unreadable
from prn_pipeline.sweep.record_file import record_by_record
from prn_pipeline.sweep.shared_hashes import hashed_once

NO_RESULTS = "no results here yet"
NO_RECORD = "no record in dvc.lock: made by kedro run"
#: DVC's word for the state of an output -> reason to run its stage.
OUTPUT_REASONS = {
    "modified": "its outputs differ from dvc.lock",
    "new": "it has an output that dvc.lock does not list",
    "not in cache": "its outputs are not in DVC's cache",
}


def stale_stages(project: Path) -> dict[str, str]:
    """Address -> reason of each stage that has changed, "" for a stage that only follows one.

    Raises:
        UserError: DVC cannot read the project.
    """
    try:
        # DVC reads the whole project again after each lock, so that one lock is held for all questions.
        with (
            record_by_record(),
            hashed_once(),
            contextlib.closing(Repo(str(project))) as repo,
            lock_repo(repo),
        ):
            stages = {stage.name: stage for stage in repo.index.stages if isinstance(stage, PipelineStage)}
            locks = {stage.dvcfile for stage in stages.values()}
            recorded = {address for lock in locks for address in lock.lockfile_contents.get("stages", {})}
            # DVC puts the path of dvc.yaml before a stage's name if its folder is not the working directory.
            changes = {address.rpartition(":")[2]: change for address, change in _changes(repo, stages.values())}
            found: dict[str, str] = {}
            for address, stage in stages.items():
                follows = not changes.keys().isdisjoint(_upstream(repo, stage))
                if address in changes:
                    found[address] = reason(changes[address], follows=follows, recorded=address in recorded)
                elif follows:
                    found[address] = ""
    except (DvcException, UnicodeDecodeError) as error:
        raise unreadable(project, error) from error
    return found


def reason(changes: Iterable[Any], *, follows: bool, recorded: bool) -> str:
    """Why a stage is stale, in a few words.

    Args:
        changes: DVC's status of the stage, as `Repo.status` returns it.
        follows: a stage before it is stale too, so missing inputs and outputs are no reason of their own.
        recorded: dvc.lock has the stage.
    """
    listed = [change if isinstance(change, Mapping) else {str(change): {}} for change in changes]
    outputs = {state for change in listed for state in change.get("changed outs", {}).values()}
    if "deleted" in outputs:
        return "" if follows else NO_RESULTS
    if not recorded:
        return NO_RECORD
    if follows:
        outputs -= {"not in cache"}
    reasons = [text for state, text in OUTPUT_REASONS.items() if state in outputs]
    for change in listed:
        reasons += [what for what in change if what not in ("changed deps", "changed outs")]
        for path, state in change.get("changed deps", {}).items():
            if isinstance(state, Mapping):
                reasons += [f"parameter {name} {how}" for name, how in state.items()]
            elif not (follows and path.startswith("data/")):
                reasons.append(f"{path} {state}")
    return "; ".join(dict.fromkeys(reasons))


def _changes(repo: Repo, stages: Iterable[PipelineStage]) -> Iterator[tuple[str, Any]]:
    """Address and status of each stage that has changed; one whose inputs cannot be read counts as changed."""
    try:
        yield from repo.status().items()
    except OSError:  # a network share that is not mounted, or a link to one: ask stage by stage
        for stage in stages:
            try:
                yield from stage.status(check_updates=True).items()
            except OSError as error:
                place = os.path.relpath(error.filename, repo.root_dir) if error.filename else "an input"
                yield stage.addressing, [f"{place}: {error.strerror}"]


def _upstream(repo: Repo, stage: PipelineStage) -> Iterator[str]:
    """Names of all stages that a stage builds on; data added by `dvc add` is not one."""
    upstream = networkx.descendants(repo.index.graph, stage)
    return (one.name for one in upstream if isinstance(one, PipelineStage))
