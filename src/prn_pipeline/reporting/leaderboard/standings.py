"""Every method on every data set and base model: mean over seeds, with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.method import ComparisonMethod, Kind
from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.reporting.caveats import BASE_TRAINING, constant_base, doubted_maps
from prn_pipeline.reporting.gains import too_few_units
from prn_pipeline.reporting.leaderboard.costs import added_cost, base_cost
from prn_pipeline.reporting.leaderboard.estimates import UNKNOWN, Estimate, mean_or_nan, over_seeds
from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun
from prn_pipeline.training.convergence import still_improving

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """A method on a data set with a base model.

    Attributes:
        dataset: name.
        base_model: name.
        method: name of a comparison method, or of a refiner.
        kind: of the method; see `comparison.method.Kind`.
        iou_of_seed: iou_micro of each seed that was run.
        images: of the test split.
        iou: iou_micro.
        gain: over the base model, in iou_micro; unknown for the base model itself.
        best_free_gain: of a refiner, over the best method that needs no training on each seed's scores.
        best_free: names of these methods, each once, in the order of the seeds; "" for others.
        wrong_pixels: of a refiner, mean number that it adds to those of the best free method; NaN if unknown.
        images_worse: mean share of test images whose IoU is below the base model's, in percent; NaN if unknown.
        parameters: number of parameters added to the base model; NaN if unknown.
        gflop: added per image, further passes of the base model included; NaN if unknown.
        milliseconds: added per image, likewise.
        under_load: whether other processes slowed the measurement of the milliseconds down.
        constant_base: what the base model predicts everywhere, in one run at least; "" for a base model that works.
        doubted_maps: whether the base model's maps may be misread, in one run at least.
        too_few_units: number of independent test images or groups, if too few to show a difference; otherwise None.
        improving_seeds: seeds whose base model was still improving when its training ended.
        reports: of a refiner's runs, by seed.
    """

    dataset: str
    base_model: str
    method: str
    kind: Kind
    iou_of_seed: Mapping[int, float]
    images: int
    iou: Estimate
    gain: Estimate
    best_free_gain: Estimate = UNKNOWN
    best_free: str = ""
    wrong_pixels: float = math.nan
    images_worse: float = math.nan
    parameters: float = math.nan
    gflop: float = math.nan
    milliseconds: float = math.nan
    under_load: bool = False
    constant_base: str = ""
    doubted_maps: bool = False
    too_few_units: int | None = None
    improving_seeds: tuple[int, ...] = ()
    reports: Mapping[int, Path] | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that were run."""
        return tuple(self.iou_of_seed)


def standings(runs: Sequence[BenchmarkRun]) -> list[Standing]:
    """One standing per method of every data set and base model, in the order of the runs and of the methods' table."""
    groups: dict[tuple[str, str], list[BenchmarkRun]] = {}
    for run in runs:
        if run.state == "done":
            groups.setdefault((run.names["dataset"], run.names["base_model"]), []).append(run)
    return [standing for group in groups.values() for standing in _of_group(group)]


def _of_group(runs: Sequence[BenchmarkRun]) -> Iterable[Standing]:
    measured_names = {name for run in runs if run.scores is not None for name in run.scores["methods"]}
    for name in filter(comparison.is_method, comparison.in_order(sorted(measured_names))):
        method = comparison.method(name)
        if method.kind == "refined":
            for refiner in dict.fromkeys(run.names["refiner"] for run in runs):
                yield _standing(refiner, method, [run for run in runs if run.names["refiner"] == refiner])
        elif measured := _with(method.name, runs):
            yield _standing(method.name, method, measured)


def _with(method: str, runs: Iterable[BenchmarkRun]) -> list[BenchmarkRun]:
    """One run per seed whose scores have the method.

    A method without training scores the same in all runs of a seed, but runs that were evaluated earlier may lack it.
    """
    having = (run for run in runs if run.scores is not None and method in run.scores["methods"])
    return list({run.names["seed"]: run for run in having}.values())


def _standing(name: str, method: ComparisonMethod, runs: Sequence[BenchmarkRun]) -> Standing:
    scores: list[Scores] = [run.scores for run in runs if run.scores is not None]
    found = [one["methods"][method.name] for one in scores]
    refined, compared = method.kind == "refined", method.kind != "base"
    gains = [
        one["gain"].get("vs_base") if refined else of_method.get("vs_base")
        for one, of_method in zip(scores, found, strict=True)
    ]
    free = [gain for one in scores if (gain := one["gain"].get(BEST_FREE))] if refined else []
    return Standing(
        dataset=runs[0].names["dataset"],
        base_model=runs[0].names["base_model"],
        method=name,
        kind=method.kind,
        iou_of_seed={run.names["seed"]: one["iou_micro"] for run, one in zip(runs, found, strict=True)},
        images=int(scores[0]["n_test"]),
        iou=over_seeds([(one["iou_micro"], one["iou_micro_ci95"]) for one in found]),
        gain=over_seeds([(gain["iou_micro"], gain["ci95"]) for gain in gains if gain]) if compared else UNKNOWN,
        best_free_gain=over_seeds([(gain["iou_micro"], gain["ci95"]) for gain in free]),
        best_free=", ".join(dict.fromkeys(gain["method"] for gain in free)),
        wrong_pixels=mean_or_nan([gain.get("wrong_pixels") for gain in free]) if free else math.nan,
        images_worse=mean_or_nan([one.get("images_worse_pct") for one in found]) if compared else math.nan,
        **(added_cost(scores) if refined else {} if compared else base_cost(scores)),
        constant_base=next((what for one in scores if (what := constant_base(one))), ""),
        doubted_maps=any(map(doubted_maps, scores)),
        too_few_units=min((units for one in scores if (units := too_few_units(one)) is not None), default=None),
        improving_seeds=tuple(
            run.names["seed"] for run, one in zip(runs, scores, strict=True) if still_improving(one.get(BASE_TRAINING))
        ),
        reports={run.names["seed"]: run.report for run in runs if run.report} if refined else None,
    )
