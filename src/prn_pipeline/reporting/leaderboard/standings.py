"""Every method on every data set and base model: the mean over seeds, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.stats import norm, t

from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun

Kind = Literal["rival", "refiner", "bound"]
Scores = Mapping[str, Any]

#: Methods that need no training; they are the same in every refiner's scores.
RIVALS = ("base", "tuned_threshold", "rankseg", "tta")
#: Sees the truth: shown, never ranked.
BOUND = "patch_oracle"
#: Under this name a refiner is in its own scores.
REFINER = "prn"
#: Half the width of a 95 % interval, in standard errors.
WIDTH = float(norm.ppf(0.975))


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval; NaN where it is not known."""

    mean: float
    low: float
    high: float


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Standing:
    """A method on a data set with a base model.

    Attributes:
        dataset: name.
        base_model: name.
        method: name of a rival or refiner.
        kind: rival, refiner, or bound.
        iou_of_seed: iou_micro of each seed that was run.
        images: of the test split.
        iou: iou_micro.
        gain: over the base model, in iou_micro; unknown for itself.
        rival_gain: of a refiner, over the best rival other than the base model.
        best_rival: that rival; "" for others.
        images_worse: mean share of test images whose IoU is below the base model's, in percent; NaN if not known.
        parameters: of what is added to the base model; NaN if not known.
        gflop: an image, for what is added, further passes of the base model included; NaN if not known.
        milliseconds: an image, likewise.
        reports: of the runs, by seed.
    """

    dataset: str
    base_model: str
    method: str
    kind: Kind
    iou_of_seed: Mapping[int, float]
    images: int
    iou: Estimate
    gain: Estimate
    rival_gain: Estimate = UNKNOWN
    best_rival: str = ""
    images_worse: float = math.nan
    parameters: float = math.nan
    gflop: float = math.nan
    milliseconds: float = math.nan
    reports: Mapping[int, Path] | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """That were run."""
        return tuple(self.iou_of_seed)


def standings(runs: Sequence[BenchmarkRun]) -> list[Standing]:
    """A standing for each rival, refiner and bound of every data set and base model, in the order of the runs."""
    groups: dict[tuple[str, str], list[BenchmarkRun]] = {}
    for run in runs:
        if run.state == "done":
            groups.setdefault((run.names["dataset"], run.names["base_model"]), []).append(run)
    return [standing for of_group in groups.values() for standing in _of_group(of_group)]


def _of_group(runs: Sequence[BenchmarkRun]) -> list[Standing]:
    known = {name for run in runs for name in run.scores["methods"]}  # type: ignore[index]
    found = [_standing(name, "rival", name, _with(name, runs)) for name in RIVALS if name in known]
    best = max(found[1:], key=lambda standing: standing.iou.mean, default=None)
    for refiner in dict.fromkeys(run.names["refiner"] for run in runs):
        own = [run for run in runs if run.names["refiner"] == refiner]
        found.append(_standing(refiner, "refiner", REFINER, own, best.method if best else ""))
    if BOUND in known:
        found.append(_standing(BOUND, "bound", BOUND, _with(BOUND, runs)))
    return found


def _with(method: str, runs: Iterable[BenchmarkRun]) -> list[BenchmarkRun]:
    """A run a seed whose scores have a method: it is the same in all runs of a seed, but older ones may lack it."""
    having = (run for run in runs if run.scores is not None and method in run.scores["methods"])
    return list({run.names["seed"]: run for run in having}.values())


def _standing(name: str, kind: Kind, method: str, runs: Sequence[BenchmarkRun], best_rival: str = "") -> Standing:
    scores: list[Scores] = [run.scores for run in runs if run.scores is not None]
    found = [one["methods"][method] for one in scores]
    gains = [one["gain"]["vs_base"] for one in scores] if kind == "refiner" else [one.get("vs_base") for one in found]
    compared = method != "base"
    return Standing(
        dataset=runs[0].names["dataset"],
        base_model=runs[0].names["base_model"],
        method=name,
        kind=kind,
        iou_of_seed={run.names["seed"]: one["iou_micro"] for run, one in zip(runs, found, strict=True)},
        images=int(scores[0]["n_test"]),
        iou=over_seeds([(one["iou_micro"], one["iou_micro_ci95"]) for one in found]),
        gain=over_seeds([(gain["iou_micro"], gain["ci95"]) for gain in gains if gain]) if compared else UNKNOWN,
        rival_gain=over_seeds(_against(best_rival, scores)) if kind == "refiner" else UNKNOWN,
        best_rival=best_rival,
        images_worse=_mean([one.get("images_worse_pct") for one in found]) if compared else math.nan,
        **(_added_cost(scores) if kind == "refiner" else {} if compared else _base_cost(scores)),
        reports={run.names["seed"]: run.report for run in runs if run.report} if kind == "refiner" else None,
    )


def over_seeds(values: Sequence[tuple[float, Sequence[float]]]) -> Estimate:
    """Mean of a few runs, each with its own 95 % interval over images.

    Runs share their test images, so what these vary by does not average out; what seeds vary by does. The variance is
    the mean variance over images plus the variance between seeds divided by their number. Few seeds tell their variance
    roughly, so the interval is that of Student's t, with the degrees of freedom of Satterthwaite (1946).
    """
    if not values:
        return UNKNOWN
    means = np.array([value for value, _ in values])
    errors = np.array([(high - low) / (2 * WIDTH) for _, (low, high) in values])
    between = float(means.var(ddof=1)) / len(means) if len(means) > 1 else 0.0
    variance = float((errors**2).mean()) + between
    freedom = (len(means) - 1) * (variance / between) ** 2 if between else math.inf
    half = float(t.ppf(0.975, freedom)) * math.sqrt(variance)
    return Estimate(float(means.mean()), float(means.mean()) - half, float(means.mean()) + half)


def _against(rival: str, scores: Sequence[Scores]) -> list[tuple[float, Sequence[float]]]:
    keys = {"tuned_threshold": "vs_tuned_threshold"}
    gains = [one["gain"].get(keys.get(rival, f"vs_{rival}")) for one in scores]
    return [(gain["iou_micro"], gain["ci95"]) for gain in gains if gain]


def _added_cost(scores: Sequence[Scores]) -> dict[str, float]:
    """What a refiner adds to its base model: itself, and more passes of the base model where it reads tta."""
    costs = [one["cost"] for one in scores if "cost" in one]
    if not costs:
        return {}
    passes = costs[0]["refiner"]["base_passes"]
    return {
        "parameters": costs[0]["refiner"]["parameters"],
        "gflop": _with_passes(costs[0], "gflop", passes),
        "milliseconds": _mean([_with_passes(one, "milliseconds", passes) for one in costs]),
    }


def _with_passes(cost: dict[str, Any], amount: str, passes: int) -> float:
    return float(cost["refiner"][amount] + (passes * cost["base"][amount] if passes else 0))


def _base_cost(scores: Sequence[Scores]) -> dict[str, float]:
    costs = [one["cost"]["base"] for one in scores if "cost" in one and one["cost"]["base"]]
    return {**costs[0], "milliseconds": _mean([one["milliseconds"] for one in costs])} if costs else {}


def _mean(values: Sequence[float | None]) -> float:
    """NaN where one of them is not known."""
    return float(np.mean([math.nan if value is None else value for value in values]))
