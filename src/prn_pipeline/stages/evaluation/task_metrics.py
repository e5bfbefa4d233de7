"""Task metrics: what a task measures beside the counts that every method has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from prn_pipeline.comparison.method import Prediction
from prn_pipeline.metrics.bootstrap import Groups, interval, paired_gain
from prn_pipeline.metrics.confusion import confusion
from prn_pipeline.metrics.counts import TruthCounter
from prn_pipeline.metrics.few_shot import few_shot_scores
from prn_pipeline.metrics.saliency import SaliencyMeasures, saliency_measures
from prn_pipeline.metrics.saliency_scores import saliency_scores, saliency_table
from prn_pipeline.metrics.scores import iou, present_in_truth


class TaskMetrics(Protocol):
    """Sees the predictions of every method on every test image, a batch at a time."""

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """Count a batch: predictions by method, and masks uint8 (N,H,W)."""
        ...

    def add(self, other: Self) -> None:
        """Append the batches that another one of the same kind has seen."""
        ...

    def scores(self, resamples: int, seed: int, groups: Groups = None) -> dict[str, dict[str, Any]]:
        """By method, what goes into the scores JSON beside the usual; intervals are over groups of images."""
        ...


class SaliencyTask:
    """Saliency scores of continuous maps; a method that gives masks only is scored on its masks."""

    def __init__(self) -> None:
        self._measures: dict[str, list[SaliencyMeasures]] = defaultdict(list)

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """See `TaskMetrics`."""
        for method, prediction in predictions.items():
            maps = prediction.masks if prediction.probabilities is None else prediction.probabilities
            self._measures[method] += [saliency_measures(one, mask) for one, mask in zip(maps, masks, strict=True)]

    def add(self, other: SaliencyTask) -> None:
        """See `TaskMetrics`."""
        for method, measures in other._measures.items():
            self._measures[method] += measures

    def scores(self, resamples: int, seed: int, groups: Groups = None) -> dict[str, dict[str, Any]]:
        """See `TaskMetrics`."""
        tables = {method: saliency_table(measures) for method, measures in self._measures.items()}
        return {
            method: saliency_scores(table, tables["base"], resamples, seed, groups) for method, table in tables.items()
        }


class ClassesTask:
    """IoU of each class with its gain, and the confusion matrix.

    Args:
        names: of the classes, by id.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._counts: dict[str, list[np.ndarray]] = defaultdict(list)
        self._confusion: dict[str, np.ndarray] = {}

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """See `TaskMetrics`; the maps of an image are together."""
        truth = self._by_image(masks == 1)
        for method, prediction in predictions.items():
            predicted = self._by_image(prediction.masks)
            self._confusion[method] = self._confusion.get(method, 0) + confusion(truth, predicted)
            self._counts[method].append(self._by_image(TruthCounter(masks).count(prediction.masks)))

    def add(self, other: ClassesTask) -> None:
        """See `TaskMetrics`."""
        for method, counts in other._counts.items():
            self._confusion[method] = self._confusion.get(method, 0) + other._confusion[method]
            self._counts[method] += counts

    def scores(self, resamples: int, seed: int, groups: Groups = None) -> dict[str, dict[str, Any]]:
        """See `TaskMetrics`: `classes`, {name: {iou, ci95, vs_base}}, and `confusion`, rows true classes.

        A class that no test image has gets an empty entry: {}.
        """
        counts = {method: np.concatenate(parts) for method, parts in self._counts.items()}
        known = present_in_truth(counts["base"].sum(0))
        return {
            method: {
                "classes": {
                    name: {
                        "iou": float(iou(of_method[:, number].sum(0))),
                        "ci95": interval(of_method[:, number], resamples, seed, groups),
                        "vs_base": paired_gain(
                            of_method[:, number], counts["base"][:, number], resamples, seed, groups
                        ),
                    }
                    if known[number]
                    else {}
                    for number, name in enumerate(self._names)
                },
                "confusion": self._confusion[method].tolist(),
            }
            for method, of_method in counts.items()
        }

    def _by_image(self, rows: np.ndarray) -> np.ndarray:
        return rows.reshape(-1, len(self._names), *rows.shape[1:])


class FewShotTask:
    """Mean IoU over categories and over episodes; FB-IoU, the mean of foreground and background.

    Args:
        categories: of each test row, in order.
    """

    def __init__(self, categories: Sequence[str]) -> None:
        self._categories = np.asarray(categories)
        self._counts: dict[str, list[np.ndarray]] = defaultdict(list)

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """See `TaskMetrics`."""
        counter = TruthCounter(masks)
        for method, prediction in predictions.items():
            self._counts[method].append(counter.count(prediction.masks))

    def add(self, other: FewShotTask) -> None:
        """See `TaskMetrics`."""
        for method, counts in other._counts.items():
            self._counts[method] += counts

    def scores(self, resamples: int, seed: int, groups: Groups = None) -> dict[str, dict[str, Any]]:
        """See `TaskMetrics` and `metrics.few_shot`: intervals are over what a score is the mean of."""
        counts = {method: np.concatenate(parts) for method, parts in self._counts.items()}
        return {
            method: few_shot_scores(of_method, counts["base"], self._categories, resamples, seed)
            for method, of_method in counts.items()
        }


def task_metrics(task: str, classes: Sequence[str] = (), categories: Sequence[str] = ()) -> list[TaskMetrics]:
    """The metrics of a task of `datasets.<name>.task`; none for a task that has no others than the usual.

    Args:
        task: its name.
        classes: names of the classes of task multiclass.
        categories: of each test row, of task few_shot.
    """
    if task == "saliency":
        return [SaliencyTask()]
    if task == "few_shot":
        return [FewShotTask(categories)]
    return [ClassesTask(classes)] if task == "multiclass" else []
