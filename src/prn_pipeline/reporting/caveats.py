"""What makes a gain worth less than its number says, as sentences for report, leaderboard and log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy.special import expit

from prn_pipeline.comparison.scores_file import DOUBTED_MAPS, MAP_WARNINGS
from prn_pipeline.reporting.labels import BASE
from prn_pipeline.reporting.wording import fixed, number
from prn_pipeline.training.convergence import still_improving

VIDEO = "The images look like video frames: the intervals treat them as independent and are therefore too narrow."
#: Keys of the scores JSON: how the training of the base model ended, and what it predicts where that is constant.
BASE_TRAINING, BASE_PREDICTS = "base_training", "base_predicts"


def constant_base(scores: Mapping[str, Any]) -> str:
    """What the base model predicts everywhere on the test set ("nothing"), or "" for a base model that works.

    Scores from before this was measured show it by their IoU alone.
    """
    found = str(scores.get(BASE_PREDICTS) or "")
    return found or ("nothing right" if number(scores.get("methods", {}).get(BASE, {}).get("iou_micro")) == 0 else "")


def constant_base_warning(scores: Mapping[str, Any]) -> str:
    """The warning that the base model is broken; "" if it works."""
    found = constant_base(scores)
    if not found:
        return ""
    everywhere = "everywhere" if found in ("everything", "one class") else "anywhere"
    return (
        f"The base model predicts {found} {everywhere} on the test set, so there is nothing to refine and no gain to"
        " claim: train it longer, check that its masks and maps are read as they are meant, or use another base model."
    )


def improving_base_caveat(scores: Mapping[str, Any]) -> str:
    """That the base model was not trained to its end, which flatters any gain; "" if it was, or if nobody knows."""
    ending = scores.get(BASE_TRAINING)
    if not still_improving(ending):
        return ""
    assert ending is not None
    epochs = ending["epochs"]
    if not math.isfinite(number(ending.get("late_gain"))):
        found = f"was trained for {epochs} epoch only, so it was surely still improving"
    else:
        late = ending["late_epochs"]
        last = "in the last" if late == 1 else f"in the last {late}"
        found = (
            "was still improving when its training ended (validation IoU"
            f" {fixed(100 * ending['late_gain'], 1, signed=True)} points {last} of {epochs} epochs)"
        )
    return f"The base model {found}. This inflates the gain: longer training of the base model would give part of it."


def free_parts(guard: Mapping[str, Any]) -> list[str]:
    """What needs no training in a guard's selection: "TTA" where it is applied alone, "RankSEG", "p > 0.44".

    With several models' maps as an input it starts at their mean in place of TTA.
    """
    start = "TTA (flips and scales)" if guard.get("tta_scales") else "TTA"
    start = "the mean of all maps" if guard.get("several_maps") else start
    alone = not guard.get("strength") and guard.get("start")
    return [
        *([start] if alone else []),
        *(["RankSEG"] if guard.get("rankseg") else []),
        *([f"p > {fixed(expit(-guard['shift']), 2)}"] if guard.get("shift") else []),
    ]


def uncorrected_caveat(scores: Mapping[str, Any]) -> str:
    """That the guard applied no correction; "" if it did, or for a refiner without such a guard."""
    guard = scores.get("guard") or {}
    if guard.get("strength") != 0:
        return ""
    instead = " with ".join(free_parts(guard)) or "the base model as it is"
    return (
        "The guard applied no correction, because none was worth more on held-out maps than what needs no training: it"
        f" selected {instead}."
    )


def boundary_note(scores: Mapping[str, Any]) -> str:
    """Why there is no boundary IoU; "" where there is one."""
    values = [of_method.get("boundary_iou", 0) for of_method in scores.get("methods", {}).values()]
    if not values or any(value is not None for value in values):
        return ""
    share = fixed(100 * number(scores.get("boundary_band_share")), 0)
    return f"Boundary IoU is left out: its band covers {share} % of the objects, so it would only repeat IoU."


def doubted_maps(scores: Mapping[str, Any]) -> bool:
    """Whether the base model's maps may be misread. A base model that predicts the same everywhere is no doubt."""
    return bool(scores.get(DOUBTED_MAPS)) and not constant_base(scores)


def map_warnings(scores: Mapping[str, Any]) -> list[str]:
    """What the comparison of the base model's maps with the true masks found, before anything was learned from them."""
    return list(scores.get(MAP_WARNINGS, ()))


def caveats(scores: Mapping[str, Any]) -> list[str]:
    """All of them, the gravest first."""
    found = [
        constant_base_warning(scores),
        *map_warnings(scores),
        improving_base_caveat(scores),
        uncorrected_caveat(scores),
        VIDEO if scores.get("video") else "",
    ]
    return [sentence for sentence in found if sentence]
