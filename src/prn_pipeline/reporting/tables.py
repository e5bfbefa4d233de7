"""Gains, timings and settings as rows of text, ready for the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prn_pipeline.reporting.gains import Outcome, claimed_outcomes, measured_gains, points, points_interval
from prn_pipeline.reporting.labels import BASE, REFINER, method_label, stage_label
from prn_pipeline.reporting.wording import MISSING, bracket, duration, fixed, mebibytes, number, p_value

VERDICTS: dict[Outcome, str] = {
    "better": "better",
    "mixed": "more wrong pixels",
    "same": "inconclusive",
    "worse": "worse",
    "unknown": "not measured",
    "warning": "no claim",
}


@dataclass(frozen=True)
class GainRow:
    """The refiner against one method that needs no training, in points of IoU micro."""

    method: str
    gain: str
    interval: str
    p: str
    verdict: str
    outcome: Outcome


@dataclass(frozen=True)
class TimingRow:
    """Seconds of one stage, its share of all stages in percent (the bar beside it), and its peak memory."""

    stage: str
    text: str
    share: float
    memory: str


def gain_rows(run: Mapping[str, Any], scores: Mapping[str, Any]) -> list[GainRow]:
    """One row per measured gain, with what may be claimed of it."""
    found = claimed_outcomes(scores)
    return [
        GainRow(
            method=method_label(name, run),
            gain=fixed(points(gain.get("iou_micro")), 1, signed=True),
            interval=bracket(points_interval(gain), 1),
            p=p_value(gain.get("p")),
            verdict=VERDICTS[found[name]],
            outcome="unknown" if found[name] == "warning" else found[name],  # the headline warns, this is beside it
        )
        for name, gain in measured_gains(scores.get("gain", {})).items()
    ]


def share_of_bound(methods: Mapping[str, Mapping[str, Any]], bound: str) -> str:
    """How much of the way from the base model to what sees the truth the refiner went, in percent of IoU micro."""
    base, refined, most = (number(methods.get(name, {}).get("iou_micro")) for name in (BASE, REFINER, bound))
    return f"{fixed(100 * (refined - base) / (most - base), 0)} %" if most > base else MISSING


def timing_rows(seconds: Mapping[str, Any], memory_mib: Mapping[str, Any]) -> list[TimingRow]:
    """One row per stage, in the order they ran; stages without a time or a memory keep their row."""
    amounts = {stage: number(value) for stage, value in seconds.items()}
    total = sum(amount for amount in amounts.values() if math.isfinite(amount))
    return [
        TimingRow(
            stage=stage_label(stage),
            text=duration(amount),
            share=100 * amount / total if math.isfinite(amount) and total > 0 else 0.0,
            memory=mebibytes(memory_mib.get(stage)),
        )
        for stage, amount in amounts.items()
    ]


def setting_rows(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as (dotted name, value) pairs, depth first."""
    for key, value in settings.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            yield from setting_rows(value, name)
        else:
            yield name, _setting(value)


def _setting(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_setting(item) for item in value) + "]"
    return str(value)
