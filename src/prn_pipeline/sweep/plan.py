"""Which stages of the benchmark are stale, and what running them will take, from what earlier runs took."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage

from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import REPORTS, STAGE_COSTS
from prn_pipeline.layout.scopes import SCOPES, stage_address
from prn_pipeline.sweep.lists import Lists, stage_addresses

#: Names that a stage without a record should share with those it is estimated from, the most alike first.
ALIKE = (("dataset", "base_model", "refiner"), ("dataset", "refiner"), ("base_model", "refiner"), ("dataset",), ())


@dataclass(frozen=True)
class PlannedStage:
    """A stage that will run.

    Attributes:
        stage: its name.
        names: of its scope.
        reason: why; "" where only a stage before it is stale.
        seconds: estimated; None where nothing like it has run here.
        bytes: of what it will write, estimated likewise.
        exact: the estimate is of this very stage's last run.
    """

    stage: str
    names: Mapping[str, Any]
    reason: str
    seconds: float | None
    bytes: int | None
    exact: bool

    @property
    def address(self) -> str:
        """As DVC calls it: `evaluation@drive-unet_resnet18-prn-0`."""
        return stage_address(self.stage, self.names)


def plan(lists: Lists, project: Path) -> list[PlannedStage]:
    """The stages that `dvc repro` would run, in order; like it, but for stages whose inputs are still to be made.

    Raises:
        UserError: DVC cannot read the project.
    """
    addresses = stage_addresses(lists)
    try:
        with contextlib.closing(Repo(str(project))) as repo:
            stages = {s.name: s for s in repo.index.stages if isinstance(s, PipelineStage)}
            stale = _stale(repo, stages)
    except DvcException as error:
        raise UserError(f"DVC cannot read {project}: {error}") from error
    recorded = dict(_recorded(lists, project))
    sizes = _sizes(project)
    return [
        _planned(address, stage, names, stale[address], recorded, sizes)
        for address, (stage, names) in addresses.items()
        if address in stale
    ]


def _stale(repo: Repo, stages: Mapping[str, PipelineStage]) -> dict[str, str]:
    """Address -> reason of each stage that has changed, and "" of those that only come after one."""
    # DVC puts the path of dvc.yaml before a stage's name where that is not the working directory's.
    changed = {address.rpartition(":")[2]: changes for address, changes in _changes(repo, stages.values())}
    found: dict[str, str] = {}
    for address, stage in stages.items():
        above = set(_before(repo, stage)) & set(changed)
        if address in changed:
            found[address] = _reason(changed[address], waiting=bool(above))
        elif above:
            found[address] = ""
    return found


def _changes(repo: Repo, stages: Iterable[PipelineStage]) -> Iterator[tuple[str, Any]]:
    """Address and status of each stage that has changed; one that cannot be read has, and is no other's concern."""
    try:
        yield from repo.status().items()
    except OSError:  # a share that is not mounted tonight, or a link that leads to it
        with repo.lock:
            for stage in stages:
                try:
                    yield from stage.status(check_updates=True).items()
                except OSError as error:
                    place = os.path.relpath(error.filename, repo.root_dir) if error.filename else "what it reads"
                    yield stage.addressing, [f"{place}: {error.strerror}"]


def _before(repo: Repo, stage: PipelineStage) -> Iterator[str]:
    """Names of all stages that a stage builds on; what `dvc add` tracks is none."""
    above = networkx.descendants(repo.index.graph, stage)
    return (one.name for one in above if isinstance(one, PipelineStage))


def _reason(changes: Iterable[Any], waiting: bool) -> str:
    """DVC's status of a stage in a few words.

    Args:
        changes: as `Repo.status` has them.
        waiting: a stage before it is stale too, so that missing inputs and outputs go without saying.
    """
    listed = [change if isinstance(change, Mapping) else {str(change): {}} for change in changes]
    outs = {state for change in listed for state in change.get("changed outs", {}).values()}
    if "deleted" in outs:
        return "" if waiting else "no results here yet"
    reasons = ["its results were changed by hand"] if outs else []
    for change in listed:
        reasons += [what for what in change if what not in ("changed deps", "changed outs")]
        for path, state in change.get("changed deps", {}).items():
            if isinstance(state, Mapping):
                reasons += [f"parameter {name} {how}" for name, how in state.items()]
            elif not (waiting and path.startswith("data/")):
                reasons.append(f"{path} {state}")
    return "; ".join(dict.fromkeys(reasons))


def _recorded(lists: Lists, project: Path) -> Iterator[tuple[str, tuple[str, dict[str, Any], float]]]:
    """Address -> (stage, names, seconds) of every stage that has a record on this machine, of any run."""
    root = project / REPORTS
    for file in root.glob(f"**/{STAGE_COSTS}"):
        parts = file.parent.relative_to(root).parts
        scope = {1: "dataset", 3: "base", 4: "run"}.get(len(parts))
        if scope is None or (scope != "dataset" and not re.fullmatch(r"seed-\d+", parts[-1])):
            continue  # somebody's copy
        names = {
            name: int(part.removeprefix("seed-")) if name == "seed" else part
            for name, part in zip(SCOPES[scope], parts, strict=True)
        }
        for stage, cost in json.loads(file.read_text()).items():
            address = stage_address(stage, names)
            yield address, (stage, names, float(cost["seconds"]))


def _planned(
    address: str,
    stage: str,
    names: Mapping[str, Any],
    reason: str,
    recorded: Mapping[str, tuple[str, dict[str, Any], float]],
    sizes: Mapping[str, int],
) -> PlannedStage:
    if address in recorded:
        return PlannedStage(stage, names, reason, recorded[address][2], sizes.get(address), exact=True)
    others = {key: (own, seconds) for key, (kind, own, seconds) in recorded.items() if kind == stage}
    for shared in ALIKE:
        near = [key for key, (own, _) in others.items() if all(own.get(name) == names.get(name) for name in shared)]
        if near:
            known = [size for key in near if (size := sizes.get(key)) is not None]
            seconds = statistics.median(others[key][1] for key in near)
            return PlannedStage(
                stage, names, reason, seconds, round(statistics.median(known)) if known else None, False
            )
    return PlannedStage(stage, names, reason, None, None, exact=False)


def _sizes(project: Path) -> dict[str, int]:
    """Address -> bytes that a stage's outputs took when it last ran, of all that dvc.lock has, listed now or not."""
    lock = project / "dvc.lock"
    try:
        recorded = yaml.load(lock.read_text(), yaml.CSafeLoader) if lock.is_file() else None
        stages = dict((recorded or {}).get("stages") or {})
    except (yaml.YAMLError, AttributeError):  # DVC is writing it just now: nothing is known of sizes
        stages = {}
    sizes = {
        address: [out["size"] for out in stage.get("outs", ()) if "size" in out] for address, stage in stages.items()
    }
    return {address: sum(found) for address, found in sizes.items() if found}
