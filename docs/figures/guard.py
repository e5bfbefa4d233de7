"""What the guard looks at: the out-of-fold IoU of every correction strength, with many and with few labelled maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from docs.figures.example_maps import colour_features, example_maps, fit_logistic, iou
from docs.figures.style import COLOURS, figure
from prn_pipeline.refinement import tune_threshold
from prn_pipeline.refinement.region_detail.correction_strength import MIN_GAIN

STRENGTHS = np.linspace(0, 1, 9)
FOLDS = 4
#: Numbers of labelled maps that are compared.
MANY, FEW = 16, 4


class Guarded(NamedTuple):
    """Out-of-fold IoU: of each correction strength at its own threshold, of 0.5, and of one tuned threshold."""

    strengths: NDArray[np.float64]
    base: float
    tuned: float

    @property
    def selected(self) -> float:
        """The strength that the guard selects: the best, if it gains enough over the tuned threshold; otherwise 0."""
        best = int(self.strengths.argmax())
        return float(STRENGTHS[best]) if self.strengths[best] >= self.tuned + MIN_GAIN else 0.0


def guarded(labelled: int) -> Guarded:
    """A linear correction of the logits by colour and place, judged on maps that it was not fitted to."""
    images, masks, logits = (array[:labelled] for array in example_maps())
    features = np.concatenate([colour_features(images), *_places(logits)], axis=-1)
    fold = np.arange(labelled) % FOLDS
    held_out_corrections = np.empty_like(logits)
    thresholds = np.empty((labelled, len(STRENGTHS)))
    for held_out in range(FOLDS):
        learn, new = fold != held_out, fold == held_out
        weights = fit_logistic(features[learn], masks[learn], logits[learn], ridge=1.0)
        held_out_corrections[new] = features[new] @ weights
        learned = features[learn] @ weights
        for column, strength in enumerate(STRENGTHS):
            thresholds[new, column] = tune_threshold(_probabilities(logits[learn] + strength * learned), masks[learn])
    curve = [
        iou(_probabilities(logits + strength * held_out_corrections) > thresholds[:, column, None, None], masks)
        for column, strength in enumerate(STRENGTHS)
    ]
    return Guarded(np.array(curve), iou(logits > 0, masks), curve[0])


def _probabilities(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def _places(logits: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Row, column and the base logit itself, as further features (N,S,S,1)."""
    rows, columns = np.indices(logits.shape[1:]) / logits.shape[1] - 0.5
    return [np.broadcast_to(field[None], logits.shape)[..., None] for field in (rows, columns)] + [logits[..., None]]


def guard_figure() -> Figure:
    """Out-of-fold IoU over the correction strength, for many and for few labelled maps."""
    drawing, axes = figure(1, 2, 8.4, 3.2)
    for axis, labelled in zip(axes, (MANY, FEW), strict=True):
        found = guarded(labelled)
        axis.plot(STRENGTHS, found.strengths, "o-", color=COLOURS[0], markersize=4, label="correction")
        axis.axhline(found.tuned, color="black", linewidth=1, linestyle="--", label="tuned threshold")
        axis.axhline(found.base, color="grey", linewidth=1, linestyle=":", label="base model at 0.5")
        axis.axvline(found.selected, color=COLOURS[1], linewidth=2, alpha=0.7, label=f"selected: {found.selected:g}")
        axis.set_title(f"{labelled} labelled maps", fontsize=9)
        axis.set_xlabel("correction strength")
        axis.set_ylabel("out-of-fold IoU")
        axis.legend(fontsize=7, frameon=False)
    return drawing
