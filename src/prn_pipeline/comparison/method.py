"""The interface of a comparison method to evaluation, reports, leaderboard and promotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
from scipy.special import expit

#: base: the unchanged model at p > 0.5. baseline: needs no training. refined: the refiner of the run. bound: uses the
#: true masks, so reports show it but never rank it.
Kind = Literal["base", "baseline", "refined", "bound"]
#: Name of a map that a threshold can be tuned on: base, tta, tta_scales, or a name in `MapBatch.others`.
TunedMap = str


@dataclass(frozen=True)
class MapBatch:
    """Maps of whole images of one size. The classes of one image are in adjacent rows.

    Attributes:
        base: logits of the base model, float32 (N,H,W).
        refined: logits of the refiner, float32 (N,H,W).
        masks: uint8 (N,H,W): 0, 1, 255 = ignore.
        tta: mean logits over flips, float32 (N,H,W); None if the logit cache does not hold them.
        tta_scales: mean logits over flips at several scales of the image, float32 (N,H,W); None likewise.
        others: by name, logits of further models and their mean over all models, float32 (N,H,W); empty for one model.
    """

    base: np.ndarray
    refined: np.ndarray
    masks: np.ndarray
    tta: np.ndarray | None = None
    tta_scales: np.ndarray | None = None
    others: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class LearningBatch:
    """Maps of whole images that a refiner may learn from, never test. The classes of one image are in adjacent rows.

    Attributes:
        maps: logits of the base model, float32 (N,H,W), by the name of the map.
        masks: uint8 (N,H,W): 0, 1, 255 = ignore.
    """

    maps: Mapping[TunedMap, np.ndarray]
    masks: np.ndarray


class Prediction(NamedTuple):
    """A method's output for a batch.

    Attributes:
        masks: bool (N,H,W); with several classes exactly one map of an image is true at each pixel.
        probabilities: float32 (N,H,W); None for a method that gives masks only.
    """

    masks: np.ndarray
    probabilities: np.ndarray | None


@dataclass(frozen=True)
class Tuned:
    """Values selected on maps that a refiner may learn from, never on test maps.

    Attributes:
        thresholds: for each map that a method is `tuned_on`, one probability per class (one in all for foreground).
        patch_size: pixels per side of the oracle's patches, at the resolution that is evaluated.
        selected: for each method with a `tuner`, what it selected.
    """

    thresholds: Mapping[TunedMap, Sequence[float]]
    patch_size: int
    selected: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class MethodTuner(Protocol):
    """Selects the values of one method. It keeps counts and no maps: there may be more maps than fit into memory."""

    def update(self, batch: LearningBatch) -> None:
        """Count a batch."""
        ...

    def add(self, other: Self) -> None:
        """Add the counts of a tuner of the same method, which has counted other maps."""
        ...

    def best(self) -> dict[str, float]:
        """The selected values by name, for `Tuned.selected` and the scores JSON."""
        ...


#: A tuner without counts, for the thresholds of `Tuned`; None if the method has none to offer for these maps.
MakeTuner = Callable[[Mapping[TunedMap, Sequence[float]]], MethodTuner | None]


#: Predictions of a method for a batch; None if the batch lacks an input of the method.
Predict = Callable[[MapBatch, Tuned], Prediction | None]


@dataclass(frozen=True)
class ComparisonMethod:
    """One method. To add one, write a file in this folder and list it in `table.METHODS`.

    Attributes:
        name: key in the scores JSON, and column of tables.
        label: name in reports. For the refiner, reports show the refiner's own name instead.
        short_label: name where there is little room.
        kind: see `Kind`.
        predict: predictions for one map per image.
        predict_classes: predictions for one map per class; None if the method has no multi-class form.
        tuned_on: map whose best threshold (per class) the method takes from `Tuned.thresholds`; None for no threshold.
        tuner: makes what selects further values of the method, which it takes from `Tuned.selected`; None for none.
    """

    name: str
    label: str
    short_label: str
    kind: Kind
    predict: Predict
    predict_classes: Predict | None = None
    tuned_on: TunedMap | None = None
    tuner: MakeTuner | None = None

    @property
    def gain_key(self) -> str:
        """Key of the refiner's gain over this method in the scores JSON: `vs_base`."""
        return f"vs_{self.name}"


def from_logits(logits: np.ndarray) -> Prediction:
    """Foreground where logits (N,H,W) are above 0; their sigmoid as probabilities."""
    return Prediction(logits > 0, expit(logits))
