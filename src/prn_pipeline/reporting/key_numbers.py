"""The numbers under the headline of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from prn_pipeline.comparison import table as comparison
from prn_pipeline.reporting import tables
from prn_pipeline.reporting.caveats import free_parts
from prn_pipeline.reporting.labels import REFINER, in_sentence, label_or_name
from prn_pipeline.reporting.wording import MISSING, duration, fixed, number


def key_numbers(scores: Mapping[str, Any]) -> dict[str, str]:
    """Label -> value.

    Args:
        scores: the scores JSON of a run.
    """
    methods = scores.get("methods", {})
    seconds = [number(value) for value in scores.get("seconds", {}).values()]
    known = [value for value in seconds if math.isfinite(value)]
    worse = fixed(scores.get("gain", {}).get("images_worse_pct"), 1)
    correction = correction_text(scores.get("guard"))
    return {
        "test images": fixed(scores.get("n_test"), 0),
        "of them worse than the base model": worse if worse == MISSING else f"{worse} %",
        **dict(_beside(methods, bound) for bound in comparison.names("bound") if bound in methods),
        **({"correction strength, selected on held-out maps": correction} if correction else {}),
        "all stages": duration(sum(known) if known else None),
    }


def _beside(methods: Mapping[str, Mapping[str, Any]], bound: str) -> tuple[str, str]:
    """Label and value of the way to what sees the truth, such as the patch oracle; a refiner may pass it."""
    label = in_sentence(label_or_name(bound))
    most, refined = (number(methods.get(name, {}).get("iou_micro")) for name in (bound, REFINER))
    if refined > most:
        return f"points above the {label}", fixed(100 * (refined - most), 1, signed=True)
    return f"of the way to the {label}", tables.share_of_bound(methods, bound)


def correction_text(guard: Mapping[str, Any] | None) -> str:
    """The guard's selection in a few words; "" for a refiner without a guard."""
    if not guard:
        return ""
    if "strength" not in guard:  # a guard of another kind: whatever it selected, by its own names
        return ", ".join(f"{name} {fixed(value, 2)}" for name, value in guard.items())
    strength = f"{100 * guard['strength']:.0f} %" if guard["strength"] else "none"
    return ", ".join([strength, *free_parts(guard)])
