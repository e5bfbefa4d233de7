"""Removal of small connected components, and filling of small holes: what most people try first, without a network.

Both sizes are selected on maps that the refiner may learn from. Methods of several classes have no such form: a removed
component leaves pixels without a class, and which other class they get would be a decision rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from prn_pipeline.comparison.method import (
    ComparisonMethod,
    LearningBatch,
    MapBatch,
    MethodTuner,
    Prediction,
    Tuned,
    TunedMap,
)
from prn_pipeline.comparison.tuned_threshold import above_threshold
from prn_pipeline.refinement.baselines.components import ComponentTuner, without_small_components

#: What the tuner selects, as shares of the image's area: components and holes below them are removed.
COMPONENT, HOLE = "smallest_component", "smallest_hole"


class _Tuner:
    """Selects both sizes for the base model's masks, at p > 0.5 or at a tuned threshold."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold, self._counts = threshold, ComponentTuner()

    def update(self, batch: LearningBatch) -> None:
        """See `MethodTuner`."""
        self._counts.update(_masks(batch.maps["base"], self._threshold), batch.masks)

    def add(self, other: _Tuner) -> None:
        """See `MethodTuner`."""
        self._counts.add(other._counts)

    def best(self) -> dict[str, float]:
        """See `MethodTuner`."""
        component, hole = self._counts.best()
        return {COMPONENT: component, HOLE: hole}


def _masks(logits: np.ndarray, threshold: float | None) -> np.ndarray:
    return logits > 0 if threshold is None else above_threshold(logits, threshold).masks


def _tuner(tuned_threshold: bool, thresholds: Mapping[TunedMap, Sequence[float]]) -> MethodTuner | None:
    of_base = thresholds["base"]
    return _Tuner(of_base[0] if tuned_threshold else None) if len(of_base) == 1 else None


def _predict(name: str, tuned_threshold: bool, maps: MapBatch, tuned: Tuned) -> Prediction | None:
    if name not in tuned.selected:
        return None
    selected = tuned.selected[name]
    masks = _masks(maps.base, tuned.thresholds["base"][0] if tuned_threshold else None)
    return Prediction(without_small_components(masks, selected[COMPONENT], selected[HOLE]), None)


COMPONENTS = ComparisonMethod(
    "components",
    "Small components removed",
    "components",
    "baseline",
    partial(_predict, "components", False),
    tuner=partial(_tuner, False),
)
COMPONENTS_TUNED = ComparisonMethod(
    "components_tuned",
    "Small components removed, tuned",
    "components tuned",
    "baseline",
    partial(_predict, "components_tuned", True),
    tuned_on="base",
    tuner=partial(_tuner, True),
)
