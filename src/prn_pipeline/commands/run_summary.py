"""What `kedro run` prints last: the finding of the run in a table and a sentence, and what can follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.reporting.gains import points, points_interval
from prn_pipeline.reporting.headline import headline
from prn_pipeline.reporting.labels import BASE, REFINER, method_label
from prn_pipeline.reporting.next_step import next_step
from prn_pipeline.reporting.wording import bracket, duration, fixed, number


def print_summary(console: Console, scores: Mapping[str, Any]) -> None:
    """Print base model, best free method and refiner, the verdict, and the command that packages the predictor.

    Args:
        console: to print to; without markup.
        scores: the scores JSON of the run.
    """
    console.print(_table(scores))
    found = headline(scores, scores)
    console.print(found.verdict, *(f"\n{caveat}" for caveat in found.caveats), soft_wrap=True, sep="")
    step = next_step(scores, found.outcome)
    console.print(f"\n{step.sentence}\n  {step.command}", soft_wrap=True)


def summary(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs: names of the run, IoU of each method shown, the refiner's gains in points, the verdict.

    Args:
        scores: the scores JSON of the run.
    """
    methods, gains = scores.get("methods", {}), scores.get("gain", {})
    best = gains.get(BEST_FREE) or {}
    found = headline(scores, scores)
    return {
        **{name: scores[name] for name in ("dataset", "base_model", "refiner", "seed")},
        "test_images": scores.get("n_test"),
        "iou_micro": {name: methods.get(name, {}).get("iou_micro") for name in (BASE, REFINER)}
        | {"best_free": methods.get(best.get("method"), {}).get("iou_micro")},
        "best_free_method": best.get("method"),
        "gain_in_points": {
            over: {
                "gain": None if math.isnan(gained := points(gain.get("iou_micro"))) else gained,
                "interval": points_interval(gain),
            }
            for over, gain in (("base", gains.get("vs_base") or {}), ("best_free", best))
        },
        "seconds": scores.get("seconds", {}),
        "outcome": found.outcome,
        "verdict": found.verdict,
        "caveats": list(found.caveats),
    }


def _table(scores: Mapping[str, Any]) -> Table:
    methods, gains = scores.get("methods", {}), scores.get("gain", {})
    best = (gains.get(BEST_FREE) or {}).get("method", BASE)
    table = Table(
        "", "IoU", "the refiner gains", "95 % interval", "training", title=f"{scores.get('n_test')} test images"
    )
    for name in dict.fromkeys((BASE, best, REFINER)):
        gain = gains.get("vs_base" if name == BASE else BEST_FREE) or {}
        ends = points_interval(gain)
        over = ["", ""]
        if name != REFINER:
            over = [f"{fixed(points(gain.get('iou_micro')), 1, signed=True)} points", bracket(ends, 1) if ends else ""]
        label = method_label(name, scores)
        if name == best:
            label += " (best free)"
        table.add_row(label, fixed(number(methods.get(name, {}).get("iou_micro"))), *over, _training(name, scores))
    return table


def _training(name: str, scores: Mapping[str, Any]) -> str:
    """How long the base model, or the refiner with its pseudo-labels, was trained."""
    stages = {BASE: ("base_training",), REFINER: ("pseudo_labelling", "prn_training")}.get(name, ())
    seconds = [number(scores.get("seconds", {}).get(stage)) for stage in stages]
    return duration(sum(seconds)) if seconds else ""
