"""The stale stages of a sweep: why each will run, and what it will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prn_pipeline.layout.scopes import stage_address
from prn_pipeline.sweep.estimates import Estimates
from prn_pipeline.sweep.lists import Lists, stage_addresses
from prn_pipeline.sweep.staleness import stale_stages


@dataclass(frozen=True)
class PlannedStage:
    """A stage that will run.

    Attributes:
        stage: a key of `SCOPE_OF`.
        names: those of the stage's scope.
        reason: why it will run; "" if only a stage before it is stale.
        seconds: estimated; None if no stage of this kind has run here.
        bytes: of its outputs, estimated; None if unknown.
        exact: the estimate is from the last run of this very stage.
    """

    stage: str
    names: Mapping[str, Any]
    reason: str
    seconds: float | None
    bytes: int | None
    exact: bool

    @property
    def address(self) -> str:
        """DVC's name of the stage: `evaluation@drive-unet_resnet18-prn-0`."""
        return stage_address(self.stage, self.names)


def plan(lists: Lists, project: Path) -> list[PlannedStage]:
    """The stages that `dvc repro` would run, in order.

    DVC decides on a stage whose inputs are still to be made only when it gets there; the plan has such a stage too.

    Raises:
        UserError: DVC cannot read the project.
    """
    reasons = stale_stages(project)
    estimates = Estimates(project)
    return [
        PlannedStage(stage, names, reasons[address], *estimates.of(stage, names))
        for address, (stage, names) in stage_addresses(lists).items()
        if address in reasons
    ]
