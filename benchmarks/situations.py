"""The situations that docs/results.md is about: which runs, which refiners, and what was hoped for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.domain_shift import BASE_MODEL, METHODS, SEEDS
from benchmarks.shifted_data import SHIFTED
from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.scores_file import BEST_FREE, read_scores

Scores = dict[str, Any]
LISTS = Path(__file__).with_name("lists")
KEYS = ("datasets", "base_models", "refiners", "seeds")
#: Key of the refiner in the scores JSON, whichever refiner it is.
(REFINED,) = comparison.names("refined")
#: Key that `Situation.runs` adds: the highest iou_micro of a free method over all runs of the same network.
NETWORK_FREE = "network_free"
#: Stages whose seconds are what a refiner costs to train.
TRAINING = ("pseudo_labelling", "prn_training")


def over_base(run: Scores) -> float:
    """Points of iou_micro over the base model."""
    return 100 * float(run["gain"]["vs_base"]["iou_micro"])


def over_best_free(run: Scores) -> float:
    """Points of iou_micro over the best method that needs no training, chosen in hindsight on the test images."""
    return 100 * float(run["gain"][BEST_FREE]["iou_micro"])


def over_network_free(run: Scores) -> float:
    """Points over the best free method of any run of the same network; NaN without one. See `Situation.networks`."""
    best = float(run.get(NETWORK_FREE, float("nan")))
    return 100 * (float(run["methods"][REFINED]["iou_micro"]) - best)


def best_free_iou(run: Scores) -> float:
    """iou_micro of the best method that needs no training."""
    return float(run["methods"][run["gain"][BEST_FREE]["method"]]["iou_micro"])


def training_seconds(run: Scores) -> float:
    """Seconds of training a refiner; the base model's network needs no pseudo-labels."""
    return float(sum(run["seconds"].get(stage, 0.0) for stage in TRAINING))


#: Statistics that goals are about.
STATISTICS: dict[str, Callable[[Sequence[float]], Any]] = {
    "mean": np.nanmean,
    "median": np.nanmedian,
    "worst": np.nanmin,
}
#: What each gain is over.
OVER: dict[Callable[[Scores], float], str] = {
    over_base: "the base model",
    over_best_free: "the best free method",
    over_network_free: "the best free method of the same network at any size, or at several",
}


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
        """The statistic of these runs, in points.

        Seeds of one base model share their test images and count as their mean; the worst is that of all runs.
        """
        by_model: dict[tuple[str, str], list[float]] = {}
        for run in runs:
            by_model.setdefault((run["dataset"], run["base_model"]), []).append(self.gain(run))
        of_models = [min(own) if self.statistic == "worst" else float(np.mean(own)) for own in by_model.values()]
        return float(STATISTICS[self.statistic](of_models))


@dataclass(frozen=True)
class Situation:
    """Runs that belong together.

    Attributes:
        mark: of its place on the page.
        title: in the table of what to expect.
        lists: the runs, each as a list of `prn benchmark`.
        command: what makes them.
        goals: of the refiner that does best.
        split: title -> base models, where the table of what to expect has several rows for it.
        in_headline: whether the README shows it; not where the base model is of little use.
        networks: base models that are one network, run at other sizes: who can run it at one can run it at another.
    """

    mark: str
    title: str
    lists: tuple[dict[str, Any], ...]
    command: str
    goals: tuple[Goal, ...] = ()
    split: tuple[tuple[str, tuple[str, ...]], ...] = ()
    networks: tuple[tuple[str, ...], ...] = ()
    in_headline: bool = True

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
        found = [read_scores(file) for file in files if file.is_file()]
        for network in self.networks:
            own = [run for run in found if run["base_model"] in network]
            for dataset in {run["dataset"] for run in own}:
                there = [run for run in own if run["dataset"] == dataset]
                if len({run["base_model"] for run in there}) > 1:
                    best = max(map(best_free_iou, there))
                    for run in there:
                        run[NETWORK_FREE] = best
        return found

    def parts(self) -> list[Situation]:
        """The situation by the titles of `split`; itself without."""
        if not self.split:
            return [self]
        return [
            replace(
                self,
                title=title,
                lists=tuple(some for one in self.lists if (some := _only(one, base_models))["base_models"]),
            )
            for title, base_models in self.split
        ]


def _only(listed: dict[str, Any], base_models: Sequence[str]) -> dict[str, Any]:
    """A list with some of its base models."""
    return listed | {"base_models": [name for name in listed["base_models"] if name in base_models]}


def of_lists(*names: str) -> tuple[dict[str, Any], ...]:
    """The lists of these names."""
    return tuple(yaml.safe_load((LISTS / f"{name}.yml").read_text()) for name in names)


SITUATIONS = (
    Situation(
        "strong",
        "a strong model from elsewhere",
        of_lists("strong_objects", "strong_objects_rest", "strong_vessels"),
        "make strong-models MAPS=...",
        (
            Goal("mean", over_base, 2.0),
            Goal("mean", over_best_free, 1.0),
            Goal("mean", over_network_free, 1.0),
            Goal("worst", over_best_free, -0.2),
        ),
        (
            ("a strong model from elsewhere, one map of each image", ("isnet_512", "isnet_1024", "wnet")),
            ("the same, with its maps at two sizes or over flips", ("isnet_both", "wnet_flips")),
        ),
        (("isnet_512", "isnet_1024", "isnet_both"), ("wnet", "wnet_flips")),
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
        "elsewhere",
        "a model of salient objects on images of other kinds, 100 of them labelled",
        of_lists("strong_elsewhere"),
        "make strong-elsewhere MAPS=... PACKAGE=...",
        in_headline=False,
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
