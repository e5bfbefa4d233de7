"""The refiner's gains over other methods, and what their intervals allow to say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from prn_pipeline.comparison import table as comparison
from prn_pipeline.reporting.caveats import constant_base, doubted_maps
from prn_pipeline.reporting.wording import interval, number

#: mixed: a higher IoU, but more wrong pixels. warning: nothing can be claimed, because the base model is broken, or
#: because its maps may have been misread.
Outcome = Literal["better", "mixed", "same", "worse", "unknown", "warning"]

#: Independent test images, or groups of them, from which on a gain can be significant at 5 %: of fewer, all may favour
#: one of two equal methods by chance more often (2 x 0.5^5 = 6 %), and the interval of a bootstrap is far too narrow.
MIN_UNITS = 6


def points(value: Any) -> float:
    """IoU difference in points: 0.011 -> 1.1."""
    return 100 * number(value)


def points_interval(gain: Mapping[str, Any]) -> tuple[float, float] | None:
    """The gain's 95 % interval in points, or None."""
    ends = interval(gain.get("ci95"))
    return None if ends is None else (100 * ends[0], 100 * ends[1])


def outcome(gain: Mapping[str, Any]) -> Outcome:
    """Whether a gain differs from zero: only if its whole interval lies on one side.

    A gain in IoU is "better" only if it does not cost more wrong pixels: where objects are rare or missed altogether, a
    method can raise its IoU by predicting far too much. Scores from before wrong pixels were counted lack the number;
    there the interval decides alone.
    """
    ends = points_interval(gain)
    if ends is None or not math.isfinite(points(gain.get("iou_micro"))):
        return "unknown"
    if ends[0] > 0:
        return "mixed" if number(gain.get("wrong_pixels")) > 0 else "better"
    return "worse" if ends[1] < 0 else "same"


def too_few_units(scores: Mapping[str, Any]) -> int | None:
    """The number of independent test images or groups, if it is below `MIN_UNITS`; None if there are enough."""
    units = scores.get("n_independent", scores.get("n_test"))
    return units if units is not None and units < MIN_UNITS else None


def claimed_outcomes(scores: Mapping[str, Any]) -> dict[str, Outcome]:
    """Method -> what may be claimed of the refiner's gain over it: "warning", thus nothing, wherever the headline
    claims nothing: the base model does not work, its maps may be misread, or there are too few independent test images.

    Args:
        scores: the scores JSON.
    """
    no_claim = bool(constant_base(scores) or doubted_maps(scores)) or too_few_units(scores) is not None
    found = {name: outcome(gain) for name, gain in measured_gains(scores.get("gain", {})).items()}
    return {name: "warning" if no_claim and of != "unknown" else of for name, of in found.items()}


def measured_gains(gains: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Method -> the refiner's gain over it, for every method without training that was measured, in order.

    Args:
        gains: "gain" of the scores JSON.
    """
    measured = (key.removeprefix("vs_") for key, gain in gains.items() if key.startswith("vs_") and gain)
    return {name: gains[comparison.method(name).gain_key] for name in comparison.without_training(measured)}
