"""The situations that docs/results.md is about: which runs, which refiners, and what was hoped for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.domain_shift import BASE_MODEL, METHODS, SEEDS
from benchmarks.shifted_data import SHIFTED
from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.scores_file import BEST_FREE, read_scores

Scores = dict[str, Any]
LISTS = Path("benchmarks/lists")
KEYS = ("datasets", "base_models", "refiners", "seeds")
#: Key of the refiner in the scores JSON, whichever refiner it is.
(REFINED,) = comparison.names("refined")
#: Stages whose seconds are what a refiner costs to train.
TRAINING = ("pseudo_labelling", "prn_training")


def over_base(run: Scores) -> float:
    """Points of iou_micro over the base model."""
    return 100 * float(run["gain"]["vs_base"]["iou_micro"])


def over_best_free(run: Scores) -> float:
    """Points of iou_micro over the best method that needs no training, chosen in hindsight on the test images."""
    return 100 * float(run["gain"][BEST_FREE]["iou_micro"])


def training_seconds(run: Scores) -> float:
    """Seconds of training a refiner; the base model's network needs no pseudo-labels."""
    return float(sum(run["seconds"].get(stage, 0.0) for stage in TRAINING))


#: Statistics that goals are about.
STATISTICS: dict[str, Callable[[Sequence[float]], Any]] = {"mean": np.mean, "median": np.median, "worst": min}
#: What each gain is over.
OVER: dict[Callable[[Scores], float], str] = {over_base: "the base model", over_best_free: "the best free method"}


@dataclass(frozen=True)
class Goal:
    """What was hoped for: a statistic of the gains of one refiner, and its least value in points."""

    statistic: str
    gain: Callable[[Scores], float]
    least: float

    @property
    def text(self) -> str:
        """The goal in words."""
        return f"{self.statistic} gain over {OVER[self.gain]}, at least {self.least:+.1f}"

    def reached(self, runs: Sequence[Scores]) -> float:
        """The statistic of these runs, in points."""
        return float(STATISTICS[self.statistic]([self.gain(run) for run in runs]))


@dataclass(frozen=True)
class Situation:
    """Runs that belong together.

    Attributes:
        mark: of its place on the page.
        title: in the table of what to expect.
        lists: the runs, each as a list of `prn benchmark`.
        command: what makes them.
        goals: of the refiner that does best.
    """

    mark: str
    title: str
    lists: tuple[dict[str, Any], ...]
    command: str
    goals: tuple[Goal, ...] = ()

    @property
    def refiners(self) -> list[str]:
        """All refiners, each once, in order."""
        return list(dict.fromkeys(name for one in self.lists for name in one["refiners"]))

    def names(self) -> list[tuple[str, str, str, int]]:
        """Data set, base model, refiner and seed of each run."""
        return [names for one in self.lists for names in itertools.product(*(one[key] for key in KEYS))]

    def runs(self, folder: Path) -> list[Scores]:
        """Scores of the runs, where there are any."""
        files = [folder / data / base / refiner / f"seed-{seed}.json" for data, base, refiner, seed in self.names()]
        return [read_scores(file) for file in files if file.is_file()]


def of_lists(*names: str) -> tuple[dict[str, Any], ...]:
    """The lists of these names."""
    return tuple(yaml.safe_load((LISTS / f"{name}.yml").read_text()) for name in names)


SITUATIONS = (
    Situation(
        "strong",
        "a strong model from elsewhere, its maps alone, 10 to 100 labelled images",
        of_lists("strong_objects", "strong_vessels"),
        "make strong-models MAPS=...",
        (
            Goal("mean", over_base, 2.0),
            Goal("mean", over_best_free, 1.0),
            Goal("worst", over_best_free, -0.2),
        ),
    ),
    Situation(
        "trained-out",
        "a model trained out on the same kind of images",
        of_lists("trained_out"),
        "make results",
        (
            Goal("median", over_best_free, 1.0),
            Goal("worst", over_best_free, -0.2),
        ),
    ),
    Situation(
        "native",
        "a model with a fixed input size, masks at the image's own size",
        of_lists("native_resolution"),
        "make results",
        (Goal("mean", over_best_free, 3.0),),
    ),
    Situation(
        "domain-shift",
        "a frozen model on images of another kind, 41 to 80 of them labelled",
        (
            {
                "datasets": list(SHIFTED),
                "base_models": [BASE_MODEL],
                "refiners": list(METHODS),
                "seeds": list(SEEDS),
            },
        ),
        "make domain-shift",
    ),
)
