"""What a comparison method is to evaluation, reports, leaderboard and promotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit

#: base: the model as it is at p > 0.5. baseline: needs no training. refined: the refiner of the run. bound: sees the
#: truth, so that it is shown and never ranked.
Kind = Literal["base", "baseline", "refined", "bound"]
#: Maps of the base model that a threshold can be tuned on.
TunedMap = Literal["base", "tta"]


@dataclass(frozen=True)
class MapBatch:
    """Maps of whole images of one size. The maps of an image's classes are neighbours.

    Attributes:
        base: logits of the base model, float32 (N,H,W).
        refined: logits of the refiner, float32 (N,H,W).
        masks: uint8 (N,H,W): 0, 1, 255 = ignore.
        tta: mean logits over flips, float32 (N,H,W); None where they were not kept.
    """

    base: np.ndarray
    refined: np.ndarray
    masks: np.ndarray
    tta: np.ndarray | None = None


class Prediction(NamedTuple):
    """A method's output for a batch.

    Attributes:
        masks: bool (N,H,W); of several classes exactly one of an image's maps is true at each pixel.
        probabilities: float32 (N,H,W); None for a method that gives masks only.
    """

    masks: np.ndarray
    probabilities: np.ndarray | None


@dataclass(frozen=True)
class Tuned:
    """What was chosen on maps that a refiner may learn from, and never on test.

    Attributes:
        thresholds: of each map that a method is `tuned_on`, one probability per map of an image.
        patch_size: pixels a side, at the resolution that is measured.
    """

    thresholds: Mapping[TunedMap, Sequence[float]]
    patch_size: int


#: A method on a batch; None where the batch lacks what the method needs.
Predict = Callable[[MapBatch, Tuned], Prediction | None]


@dataclass(frozen=True)
class ComparisonMethod:
    """One method. Adding one is a file of this folder and a line of `table.METHODS`.

    Attributes:
        name: key in the scores JSON, and column of tables.
        label: in reports; that of the refiner gives way to the refiner's own name.
        short_label: where there is little room.
        kind: see `Kind`.
        predict: for one map per image.
        predict_classes: for several maps per image, one per class; None where the method has no such form.
        tuned_on: the map whose best threshold (per class) the method takes from `Tuned.thresholds`; None: none.
    """

    name: str
    label: str
    short_label: str
    kind: Kind
    predict: Predict
    predict_classes: Predict | None = None
    tuned_on: TunedMap | None = None

    @property
    def gain_key(self) -> str:
        """Key of the refiner's gain over this method in the scores JSON: `vs_base`."""
        return f"vs_{self.name}"


def from_logits(logits: np.ndarray) -> Prediction:
    """Foreground where logits (N,H,W) are above 0; their sigmoid as probabilities."""
    return Prediction(logits > 0, expit(logits))
