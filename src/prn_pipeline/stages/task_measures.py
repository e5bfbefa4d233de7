"""What a task measures beside the counts that every method has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from prn_pipeline.metrics.saliency import SaliencyMeasures, saliency_measures
from prn_pipeline.metrics.saliency_scores import saliency_scores, saliency_table
from prn_pipeline.stages.methods import Prediction


class TaskMeasures(Protocol):
    """Sees what every method says of every test image, a batch at a time."""

    def update(self, said: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """A batch: what each method says, and masks uint8 (N,H,W)."""
        ...

    def scores(self, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
        """For each method what goes into the scores JSON beside the usual."""
        ...


class SaliencyTask:
    """Measures of continuous maps; of a method that only decides its mask is taken for the map."""

    def __init__(self) -> None:
        self._measures: dict[str, list[SaliencyMeasures]] = defaultdict(list)

    def update(self, said: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """See `TaskMeasures`."""
        for method, prediction in said.items():
            maps = prediction.masks if prediction.probabilities is None else prediction.probabilities
            self._measures[method] += [saliency_measures(one, mask) for one, mask in zip(maps, masks, strict=True)]

    def scores(self, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
        """See `TaskMeasures`."""
        tables = {method: saliency_table(measures) for method, measures in self._measures.items()}
        return {method: saliency_scores(table, tables["base"], resamples, seed) for method, table in tables.items()}


def measures_of(task: str) -> list[TaskMeasures]:
    """What is measured beside the usual for a task of `datasets.<name>.task`."""
    return [SaliencyTask()] if task == "saliency" else []
