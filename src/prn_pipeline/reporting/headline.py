"""What the numbers say, in a plain sentence that claims no more than its interval does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prn_pipeline.reporting.wording import METHOD_LABELS, bracket, fixed, interval, method_label, number

Outcome = Literal["better", "same", "worse", "unknown"]
GAIN_RIVALS = {"vs_base": "base", "vs_tuned_threshold": "tuned_threshold", "vs_rankseg": "rankseg", "vs_tta": "tta"}


@dataclass(frozen=True)
class Headline:
    """The finding: `sentence` with the numbers, `reading` with what they allow to say, `outcome` for its colour."""

    sentence: str
    reading: str
    outcome: Outcome


def points(value: Any) -> float:
    """IoU difference in points: 0.011 -> 1.1."""
    return 100 * number(value)


def points_interval(gain: Mapping[str, Any]) -> tuple[float, float] | None:
    """The gain's 95 % interval in points, or None."""
    ends = interval(gain.get("ci95"))
    return None if ends is None else (100 * ends[0], 100 * ends[1])


def outcome(gain: Mapping[str, Any]) -> Outcome:
    """Whether a gain is told from zero: only an interval wholly on one side is."""
    ends = points_interval(gain)
    if ends is None or not math.isfinite(points(gain.get("iou_micro"))):
        return "unknown"
    if ends[0] > 0:
        return "better"
    return "worse" if ends[1] < 0 else "same"


def headline(run: Mapping[str, Any], scores: Mapping[str, Any]) -> Headline:
    """The sentence at the top of the report.

    Args:
        run: dataset, base_model, refiner, seed.
        scores: The scores JSON; gains as IoU differences, shown as points (hundredths).

    Returns:
        Headline such as "PRN 0.712 vs base 0.701: +1.1 points [0.4, 1.9], n=40".
    """
    refiner = method_label("prn", run)
    methods, gains = scores.get("methods", {}), scores.get("gain", {})
    gain = gains.get("vs_base") or {}
    found = outcome(gain)
    before, after = (number(methods.get(name, {}).get("iou_micro")) for name in ("base", "prn"))
    measured = math.isfinite(before) and math.isfinite(after)
    sentence = f"{refiner} {fixed(after)} vs base {fixed(before)}" if measured else f"{refiner} vs base"
    ends = points_interval(gain)
    if math.isfinite(points(gain.get("iou_micro"))):
        sentence += f": {fixed(points(gain['iou_micro']), 1, signed=True)} points"
        sentence += f" {bracket(ends, 1)}" if ends else ""
    else:
        sentence += ": gain not measured"
    sentence += f", n={scores['n_test']}" if scores.get("n_test") is not None else ""
    reading = {
        "better": f"{refiner} is better here: the 95 % interval lies above zero.",
        "same": "No measurable difference: the 95 % interval contains zero.",
        "worse": f"{refiner} is worse here: the 95 % interval lies below zero.",
        "unknown": "No claim: the gain or its 95 % interval is missing.",
    }[found]
    remarks = rival_remarks(refiner, found, gains)
    if scores.get("video"):
        remarks.append(
            "The images look like frames of videos: intervals take them for independent, and are too narrow."
        )
    return Headline(sentence, " ".join([reading, *remarks]), found)


def rival_remarks(refiner: str, against_base: Outcome, gains: Mapping[str, Any]) -> list[str]:
    """Sentences on the rivals that need no training and that the refiner does not measurably beat.

    A gain over the base alone would flatter a refiner that a single tuned threshold equals.
    """
    if against_base != "better":
        return []
    remarks = []
    for key, method in GAIN_RIVALS.items():
        gain = gains.get(key) or {}
        found = outcome(gain)
        if method == "base" or found not in ("same", "worse"):
            continue
        rival = METHOD_LABELS[method]
        numbers = f"{fixed(points(gain['iou_micro']), 1, signed=True)} points {bracket(points_interval(gain), 1)}"
        verdict = f"cannot be told apart from {refiner}" if found == "same" else "does better"
        remarks.append(f"{rival}, which needs no training, {verdict} ({refiner} minus it: {numbers}).")
    return remarks
