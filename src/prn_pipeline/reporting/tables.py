"""Gains, timings and settings as rows of text, ready for the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prn_pipeline.reporting.headline import GAIN_RIVALS, Outcome, outcome, points, points_interval
from prn_pipeline.reporting.score_tables import UPPER_BOUND
from prn_pipeline.reporting.wording import (
    MISSING,
    bracket,
    duration,
    fixed,
    mebibytes,
    method_label,
    number,
    p_value,
    stage_label,
)

INPUT_ORDER: dict[Outcome, str] = {
    "better": "better",
    "same": "inconclusive",
    "worse": "worse",
    "unknown": "not measured",
}


@dataclass(frozen=True)
class GainRow:
    """The refiner against one rival, in points of IoU micro."""

    rival: str
    gain: str
    interval: str
    p: str
    reading: str
    outcome: Outcome


@dataclass(frozen=True)
class TimingRow:
    """Seconds of one stage, their share of all stages in percent for the bar beside it, and its memory."""

    stage: str
    text: str
    share: float
    memory: str


def gain_rows(run: Mapping[str, Any], gains: Mapping[str, Any]) -> list[GainRow]:
    """A row a rival whose gain was measured, with what its interval allows to say."""
    return [
        GainRow(
            rival=method_label(method, run),
            gain=fixed(points(gains[key].get("iou_micro")), 1, signed=True),
            interval=bracket(points_interval(gains[key]), 1),
            p=p_value(gains[key].get("p")),
            reading=INPUT_ORDER[outcome(gains[key])],
            outcome=outcome(gains[key]),
        )
        for key, method in GAIN_RIVALS.items()
        if gains.get(key)
    ]


def oracle_room_closed(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """How much of the way from the base model to the patch oracle the refiner went, in percent of IoU micro."""
    base, refined, oracle = (number(methods.get(name, {}).get("iou_micro")) for name in ("base", "prn", UPPER_BOUND))
    return f"{fixed(100 * (refined - base) / (oracle - base), 0)} %" if oracle > base else MISSING


def timing_rows(seconds: Mapping[str, Any], memory_mib: Mapping[str, Any]) -> list[TimingRow]:
    """A row a stage in the order they ran; stages without a time or without a memory keep their row."""
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
