"""What to do after a run, by what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prn_pipeline.reporting.gains import Outcome


@dataclass(frozen=True)
class NextStep:
    """A sentence, which ends in a colon, and the command that follows it."""

    sentence: str
    command: str


def next_step(run: Mapping[str, Any], outcome: Outcome) -> NextStep:
    """What to do with the refiner of a run.

    Args:
        run: dataset, base_model, refiner, seed.
        outcome: of the comparison with the best method that needs no training.
    """
    names = {name: run[name] for name in ("dataset", "base_model", "refiner", "seed")}
    if outcome == "warning":
        return NextStep("Look at the data and the base model first:", f"prn check {names['dataset']}")
    if outcome == "better":
        given = ",".join(f"{name}={value}" for name, value in names.items())
        return NextStep("Package the predictor and register it:", f"kedro run --pipelines promotion --params {given}")
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in names.items())
    return NextStep("See whether more labelled images would help:", f"prn curve {options}")
