"""Time and disk space that stages will take, estimated from those that have run on this machine."""

from __future__ import annotations

import logging
import re
import statistics
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import REPORTS, STAGE_COSTS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES, stage_address
from prn_pipeline.sweep.dvc_lock import LOCK, read_lock

logger = logging.getLogger(__name__)

#: Names that a stage and those it is estimated from should share; the closest match is used.
SIMILAR = (("dataset", "base_model", "refiner"), ("dataset", "refiner"), ("base_model", "refiner"), ("dataset",), ())


#: What decides how long a stage takes: it is not estimated from runs with another one.
DECISIVE = {"base_training": "base_model", "logit_caching": "base_model", "prn_training": "refiner"}


class Estimate(NamedTuple):
    """What a stage will take.

    Attributes:
        seconds: None if no stage of this kind has run here.
        bytes: of its outputs; None if that is unknown.
        exact: whether this stage itself has run here; otherwise the values are medians over similar ones.
    """

    seconds: float | None
    bytes: int | None
    exact: bool


class _Record(NamedTuple):
    stage: str
    names: Mapping[str, Any]
    seconds: float


class Estimates:
    """Estimates from the records of a project: stage_costs.json beside the reports, and sizes in dvc.lock.

    Args:
        project: root of the repository.
    """

    def __init__(self, project: Path) -> None:
        self._project = project

    @cached_property  # not read where nothing is stale
    def _records(self) -> dict[str, _Record]:
        return dict(_records(self._project / REPORTS))

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return _sizes(self._project / LOCK)

    def of(self, stage: str, names: Mapping[str, Any]) -> Estimate:
        """The estimate for one stage.

        Args:
            stage: a key of `SCOPE_OF`.
            names: those of the stage's scope.
        """
        address = stage_address(stage, names)
        if address in self._records:
            return Estimate(self._records[address].seconds, self._sizes.get(address), exact=True)
        others = {key: record for key, record in self._records.items() if record.stage == stage}
        for shared in SIMILAR:
            if DECISIVE.get(stage, "") not in ("", *shared):
                continue
            similar = [
                key
                for key, record in others.items()
                if all(record.names.get(name) == names.get(name) for name in shared)
            ]
            if similar:
                sizes = [size for key in similar if (size := self._sizes.get(key)) is not None]
                seconds = statistics.median(others[key].seconds for key in similar)
                return Estimate(seconds, round(statistics.median(sizes)) if sizes else None, exact=False)
        return Estimate(None, None, exact=False)


def _records(reports: Path) -> Iterator[tuple[str, _Record]]:
    """Address and record of every stage that has run on this machine, whether the lists name its run or not."""
    for file in reports.glob(f"**/{STAGE_COSTS}"):
        parts = file.parent.relative_to(reports).parts
        scope = {1: "dataset", 3: "base", 4: "run"}.get(len(parts))
        if scope is None or (scope != "dataset" and not re.fullmatch(r"seed-\d+", parts[-1])):
            continue  # a copy that somebody made
        names = {
            name: int(part.removeprefix("seed-")) if name == "seed" else part
            for name, part in zip(SCOPES[scope], parts, strict=True)
        }
        try:
            seconds = {stage: float(cost["seconds"]) for stage, cost in read_json(file).items() if stage in SCOPE_OF}
            found = {stage_address(stage, names): _Record(stage, names, of) for stage, of in seconds.items()}
        except (UserError, KeyError, TypeError, ValueError) as error:
            logger.warning("no estimate from a damaged record, %s (%s): its stages write it again", file, error)
            continue
        yield from found.items()


def _sizes(lock: Path) -> dict[str, int]:
    """Address -> bytes of a stage's outputs when it last ran."""
    sizes = {
        address: [out["size"] for out in stage.get("outs", ()) if "size" in out]
        for address, stage in read_lock(lock).items()
        if isinstance(stage, dict)
    }
    return {address: sum(found) for address, found in sizes.items() if found}
