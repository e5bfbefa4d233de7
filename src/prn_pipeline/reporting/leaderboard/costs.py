"""What base models and refiners cost, from the scores of their runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prn_pipeline.reporting.leaderboard.estimates import mean_or_nan


def added_cost(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a refiner adds to its base model: its own cost, and further passes of the base model for TTA.

    A refiner that replaces the base model adds its own cost less that of the base model.

    Args:
        scores: scores JSON of the refiner's runs on one data set and base model.

    Returns:
        parameters, gflop and milliseconds per image, and under_load: whether other processes slowed the clock; empty
        where no run has costs. NaN where it adds passes of a base model whose cost is unknown, as that of maps from
        elsewhere.
    """
    costs = [one["cost"] for one in scores if "cost" in one]
    if not costs:
        return {}
    passes = costs[0]["refiner"]["base_passes"]
    return {
        "parameters": costs[0]["refiner"]["parameters"] + int(_of_base(costs[0], "parameters", min(passes, 0))),
        "gflop": _with_passes(costs[0], "gflop", passes),
        "milliseconds": mean_or_nan([_with_passes(one, "milliseconds", passes) for one in costs]),
        "under_load": any(part.get("under_load") for one in costs for part in (one["refiner"], one["base"] or {})),
    }


def base_cost(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Parameters, gflop, milliseconds per image and under_load of the base model; empty where no run has them."""
    costs = [one["cost"]["base"] for one in scores if "cost" in one and one["cost"]["base"]]
    if not costs:
        return {}
    return {
        "parameters": costs[0]["parameters"],
        "gflop": costs[0]["gflop"],
        "milliseconds": mean_or_nan([one["milliseconds"] for one in costs]),
        "under_load": any(one.get("under_load") for one in costs),
    }


def _with_passes(cost: Mapping[str, Any], amount: str, passes: int) -> float:
    added = float(cost["refiner"][amount] + _of_base(cost, amount, passes))
    return added if math.isnan(added) else max(0.0, added)


def _of_base(cost: Mapping[str, Any], amount: str, passes: int) -> float:
    if not passes:
        return 0
    return passes * cost["base"][amount] if cost["base"] else math.nan
