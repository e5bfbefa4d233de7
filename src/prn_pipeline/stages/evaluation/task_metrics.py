"""Task metrics: what a task evaluates in addition to the pixel counts of every method."""

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
    """A metric over the predictions of every method on every test image."""

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """Add a batch: predictions by method, and masks uint8 (N,H,W)."""
        ...

    def add(self, other: Self) -> None:
        """Append the batches of another metric of the same kind."""
        ...

    def scores(self, resamples: int, seed: int, groups: Groups = None) -> dict[str, dict[str, Any]]:
        """Further entries of the scores JSON by method; intervals are over groups of images."""
        ...


class SaliencyTask:
    """Saliency scores of probability maps; a method that gives masks only is scored on its masks."""

    def __init__(self) -> None:
        self._measures: dict[str, list[SaliencyMeasures]] = defaultdict(list)

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """See `TaskMetrics`."""
        for method, prediction in predictions.items():
            maps = prediction.masks if prediction.probabilities is None else prediction.probabilities
            pairs = zip(maps, masks, strict=True)
            self._measures[method] += [saliency_measures(prediction_map, mask) for prediction_map, mask in pairs]

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
        names: names of the classes, by id.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._counts: dict[str, list[np.ndarray]] = defaultdict(list)
        self._confusion: dict[str, np.ndarray] = {}

    def update(self, predictions: Mapping[str, Prediction], masks: np.ndarray) -> None:
        """See `TaskMetrics`; the classes of one image are in adjacent rows."""
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
        """See `TaskMetrics`: `classes`, {name: {iou, ci95, vs_base}}, and `confusion`, whose rows are true classes.

        A class that is absent from all test images gets an empty entry, {}.
        """
        counts = {method: np.concatenate(batches) for method, batches in self._counts.items()}
        present = present_in_truth(counts["base"].sum(0))
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
                    if present[number]
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
        categories: category of each test row, in order.
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
        """See `TaskMetrics` and `metrics.few_shot`: intervals are over categories."""
        counts = {method: np.concatenate(batches) for method, batches in self._counts.items()}
        return {
            method: few_shot_scores(of_method, counts["base"], self._categories, resamples, seed)
            for method, of_method in counts.items()
        }


def task_metrics(task: str, classes: Sequence[str] = (), categories: Sequence[str] = ()) -> list[TaskMetrics]:
    """The metrics of a task of `datasets.<name>.task`; an empty list for tasks without further metrics.

    Args:
        task: name of the task.
        classes: names of the classes, for task multiclass.
        categories: category of each test row, for task few_shot.
    """
    if task == "saliency":
        return [SaliencyTask()]
    if task == "few_shot":
        return [FewShotTask(categories)]
    return [ClassesTask(classes)] if task == "multiclass" else []
