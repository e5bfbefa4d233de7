"""Training of a stage: loss and validation IoU by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prn_pipeline.errors import counted
from prn_pipeline.reporting.theme import Theme, new_figure, quiet
from prn_pipeline.reporting.wording import MISSING, duration, fixed


def training_curves(history: pd.DataFrame, theme: Theme) -> Figure:
    """Training and validation loss above validation IoU, with the best epoch marked.

    Args:
        history: one row per epoch, with epoch and any of train_loss, val_loss, val_iou_micro; NaN leaves a gap.
        theme: colours.

    Returns:
        Figure of two panels that share their x axis.
    """
    figure = new_figure(5.2, 4.4)
    loss_axes, iou_axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.15, 1))
    _curve(loss_axes, history, "train_loss", theme.base, "training")
    _curve(loss_axes, history, "val_loss", theme.refiner, "validation")
    loss_axes.set_title("Loss")
    if loss_axes.lines:
        loss_axes.legend(loc="upper right", ncols=2, handlelength=1.4, borderaxespad=0)
        loss_axes.margins(y=0.16)
    _curve(iou_axes, history, "val_iou_micro", theme.refiner, "validation")
    iou_axes.set_title("Validation IoU")
    iou_axes.set_xlabel("epoch")
    iou_axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    iou_axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    best = best_epoch(history)
    if best is not None:
        epoch, iou = best
        iou_axes.plot([epoch], [iou], "o", color=theme.refiner, markersize=6, markeredgecolor=theme.card)
        iou_axes.set_title(f"best {fixed(iou)} at epoch {epoch:g}", loc="right", fontsize=9, color=theme.muted)
    for axes in (loss_axes, iou_axes):
        quiet(axes)
    return figure


def best_epoch(history: pd.DataFrame) -> tuple[float, float] | None:
    """(epoch, val_iou_micro) of the highest validation IoU, the first of several; None where it was not recorded."""
    if not {"epoch", "val_iou_micro"} <= set(history.columns):
        return None
    iou = history["val_iou_micro"].to_numpy(float)
    if not np.isfinite(iou).any():
        return None
    row = int(np.nanargmax(iou))
    return float(history["epoch"].to_numpy(float)[row]), float(iou[row])


def training_note(history: pd.DataFrame) -> str:
    """One line: number of epochs, best epoch, first and last learning rate, time."""
    best = best_epoch(history)
    parts = [counted(len(history), "epoch")]
    parts += [f"best validation IoU {fixed(best[1])} at epoch {best[0]:g}"] if best else []
    if "learning_rate" in history and len(history):
        parts.append(f"learning rate {history['learning_rate'].iloc[0]:.2g} to {history['learning_rate'].iloc[-1]:.2g}")
    if "seconds" in history and (spent := duration(history["seconds"].sum(min_count=1))) != MISSING:
        parts.append(spent)
    return ", ".join(parts) + "."


def _curve(axes: Axes, history: pd.DataFrame, column: str, colour: str, label: str) -> None:
    if column not in history:
        return
    values = history[column].to_numpy(float)
    # A single epoch has no line to draw, so it needs a marker.
    marker = "o" if np.isfinite(values).sum() == 1 else None
    axes.plot(history["epoch"].to_numpy(float), values, color=colour, label=label, linewidth=1.8, marker=marker)
