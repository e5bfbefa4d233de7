"""Cards on scores and training: gains, confusion of classes, training curves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from prn_pipeline.reporting.cards.card import Card, draw_card
from prn_pipeline.reporting.figures.classes import confusion_matrices, shares
from prn_pipeline.reporting.figures.scores import drawable_gains, gain_intervals
from prn_pipeline.reporting.figures.training import training_curves, training_note
from prn_pipeline.reporting.gains import claimed_outcomes
from prn_pipeline.reporting.labels import BASE, REFINER, stage_label


def gain_card(scores: Mapping[str, Any]) -> Card | None:
    """Gains over methods that need no training, with their intervals; None where no gain has both."""
    if not drawable_gains(scores.get("gain", {})):
        return None
    no_claim = "warning" in claimed_outcomes(scores).values()
    return draw_card(
        "gains",
        "Gain over each method that needs no training",
        "Gain over each method in points of IoU micro, with 95 % intervals; the table beside it has the numbers.",
        "Grey, because no difference can be claimed: see the finding above."
        if no_claim
        else "Where an interval crosses zero, no difference was measured.",
        partial(gain_intervals, scores),
    )


def training_cards(history: Mapping[str, pd.DataFrame]) -> list[Card]:
    """One figure per stage that recorded at least one epoch."""
    cards = []
    for stage, epochs in history.items():
        if "epoch" not in epochs or epochs.empty:
            continue
        note = training_note(epochs)
        title = stage_label(stage)
        name = "training-" + re.sub(r"[^\w.-]+", "-", stage)
        alt = f"{title}: loss and validation IoU by epoch. {note}"
        cards.append(draw_card(name, title, alt, note, partial(training_curves, epochs)))
    return cards


def confusion_card(methods: Mapping[str, Mapping[str, Any]], refiner: str) -> Card | None:
    """Confusion of classes after refinement, and its change; None where there are no classes."""
    if not all("confusion" in methods.get(name, {}) for name in (BASE, REFINER)):
        return None
    names = list(methods[REFINER]["classes"])
    base, refined = (np.array(methods[name]["confusion"]) for name in (BASE, REFINER))
    change = np.diagonal(shares(refined) - shares(base))
    summary = (
        f"Of {len(names)} classes, {refiner} raises the share of correct pixels in {np.sum(change > 0)}"
        f" and lowers it in {np.sum(change < 0)}."
    )
    return draw_card(
        "confusion",
        "Confusion of classes",
        f"Confusion matrices of {len(names)} classes. {summary}",
        f"Rows are true classes, columns are predicted classes. {summary}",
        partial(confusion_matrices, base, refined, names),
    )
