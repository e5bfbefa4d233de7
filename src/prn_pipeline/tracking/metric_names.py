"""Names of metrics that MLflow accepts."""

from __future__ import annotations

import re
from typing import Any

#: A character that MLflow does not accept in the name of a metric.
_FORBIDDEN = re.compile(r"[^\w.\- :/]")


def metric_name(name: str) -> str:
    """The name with an underscore in place of each character that MLflow does not accept."""
    return _FORBIDDEN.sub("_", name)


def flat_metrics(scores: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of a nested JSON object by dotted name, those of lists by position: `gain.vs_base.ci95.0`.

    Texts, nested lists (matrices) and the seed are left out.
    """
    flat: dict[str, float] = {}
    for key, value in scores.items():
        name = prefix + metric_name(str(key))
        if isinstance(value, dict):
            flat |= flat_metrics(value, f"{name}.")
        elif isinstance(value, list):
            numbers = [(position, item) for position, item in enumerate(value) if isinstance(item, int | float)]
            flat |= {f"{name}.{position}": float(item) for position, item in numbers}
        elif isinstance(value, int | float) and key not in ("seed", "schema"):
            flat[name] = float(value)
    return flat
