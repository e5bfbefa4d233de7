"""What to do after a run, by what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prn_pipeline.reporting.caveats import BASE_TRAINING, doubted_maps
from prn_pipeline.reporting.gains import Outcome
from prn_pipeline.training.convergence import still_improving

#: Times the epochs of a base model that was still improving, for another try.
LONGER = 4


@dataclass(frozen=True)
class NextStep:
    """A sentence, which ends in a colon, and the command that follows it."""

    sentence: str
    command: str


def next_step(scores: Mapping[str, Any], outcome: Outcome) -> NextStep:
    """What to do with the refiner of a run.

    Args:
        scores: the scores JSON of the run.
        outcome: of the comparison with the best method that needs no training.
    """
    names = {name: scores[name] for name in ("dataset", "base_model", "refiner", "seed")}
    given = ",".join(f"{name}={value}" for name, value in names.items())
    if doubted_maps(scores):
        return NextStep("Correct the maps or their settings, then run again:", f"kedro run --params {given}")
    if outcome == "warning":
        return NextStep("Look at the data and the base model first:", f"prn check {names['dataset']}")
    ending = scores.get(BASE_TRAINING)
    if still_improving(ending) and ending is not None:
        epochs = f"base_models.{names['base_model']}.training.epochs={LONGER * ending['epochs']}"
        sentence = "Train the base model until it stops improving; add the other parameters of this run, if it had any:"
        return NextStep(sentence, f"kedro run --params {given},{epochs}")
    if outcome == "better":
        return NextStep("Package the predictor and register it:", f"kedro run --pipelines promotion --params {given}")
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in names.items())
    return NextStep("See whether more labelled images would help:", f"prn curve {options}")
