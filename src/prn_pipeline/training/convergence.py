"""Whether a network was still improving when its training ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

#: The last part of a training in which an improvement counts as "still improving".
LATE = 0.25
#: Smallest late improvement of val_iou_micro that counts. Less is within what a flat training shows by chance.
MIN_LATE_GAIN = 0.005
METRIC = "val_iou_micro"


def convergence(history: pd.DataFrame, epochs: int | None = None) -> dict[str, Any] | None:
    """How a training ended, for the scores JSON.

    A network was still improving if the last quarter of its epochs reached a better validation IoU than all earlier
    ones, by `MIN_LATE_GAIN` at least, and was better on average than the quarter before it, by the same amount. A
    learning rate that falls to zero does not hide this: it makes the last quarter better only where there was something
    left to learn.

    Args:
        history: one row per epoch, with epoch and val_iou_micro.
        epochs: epochs of the schedule; a history with fewer was ended by early stopping, and counts as converged.

    Returns:
        epochs, best_epoch, ended_by (patience, or the cap on epochs), late_epochs (length of the last quarter),
        late_gain (of the best validation IoU in it; None after one epoch) and converged. None without a history or
        without validation, as for networks that were not trained here.
    """
    if METRIC not in history or not history[METRIC].notna().any():
        return None
    measured = history[history[METRIC].notna()]
    iou, numbers = measured[METRIC].to_numpy(float), measured["epoch"].to_numpy(int)
    ending: dict[str, Any] = {"epochs": int(numbers[-1]), "best_epoch": int(numbers[iou.argmax()])}
    stopped_early = epochs is not None and len(history) < epochs
    ending["ended_by"] = "patience" if stopped_early else "epochs"
    late = math.ceil(LATE * len(iou))
    if len(iou) == 1:
        return ending | {"late_epochs": late, "late_gain": None, "converged": False}
    before, after = iou[:-late], iou[-late:]
    gain = float(after.max() - before.max())
    rises = min(gain, float(after.mean() - before[-late:].mean())) >= MIN_LATE_GAIN
    return ending | {"late_epochs": late, "late_gain": gain, "converged": bool(stopped_early or not rises)}


def still_improving(ending: Mapping[str, Any] | None) -> bool:
    """Whether `convergence` found that a training ended too early; False where it is unknown."""
    return ending is not None and ending.get("converged") is False
