"""Made-up runs for tests of the leaderboard."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

from prn_pipeline.comparison.scores_file import SCHEMA
from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun


def scores(refiner_gain: float, base: float = 0.6, width: float = 0.02, cost: bool = True) -> dict[str, Any]:
    """Scores JSON in which the tuned threshold is one point above the base model, and TTA two."""
    iou = {"base": base, "tuned_threshold": base + 0.01, "rankseg": base - 0.01, "tta": base + 0.02}
    iou |= {"refined": base + refiner_gain, "patch_oracle": base + 0.2}

    def gain(value: float) -> dict[str, Any]:
        return {"iou_micro": value, "ci95": [value - width / 2, value + width / 2], "p": 0.01}

    found: dict[str, Any] = {
        "schema": SCHEMA,
        "n_test": 40,
        "methods": {
            name: {
                "iou_micro": value,
                "iou_micro_ci95": [value - width, value + width],
                "vs_base": gain(value - base),
                "images_worse_pct": 25.0,
            }
            for name, value in iou.items()
        },
        "gain": {
            "vs_base": gain(iou["refined"] - base),
            "vs_tuned_threshold": gain(iou["refined"] - iou["tuned_threshold"]),
            "vs_rankseg": gain(iou["refined"] - iou["rankseg"]),
            "vs_tta": gain(iou["refined"] - iou["tta"]),
            "vs_best_free": {"method": "tta"} | gain(iou["refined"] - iou["tta"]),
            "images_worse_pct": 25.0,
        },
    }
    if cost:
        base_cost = {"parameters": 11_800_000, "gflop": 6.0, "milliseconds": 50.0}
        own = {"parameters": 1_500_000, "gflop": 4.0, "milliseconds": 60.0, "base_passes": 3}
        found["cost"] = {"base": base_cost, "refiner": own}
    return found


def benchmark(
    datasets: tuple[str, ...] = ("drive", "roads", "nuclei"),
    base_models: tuple[str, ...] = ("fpn", "unet"),
    refiners: tuple[str, ...] = ("prn", "bias_field"),
    seeds: tuple[int, ...] = (0, 1),
) -> list[BenchmarkRun]:
    """All runs are done: prn gains five points, and one more per seed; bias_field half a point."""
    return [
        BenchmarkRun(
            {"dataset": dataset, "base_model": base_model, "refiner": refiner, "seed": seed},
            scores={"prn": scores(0.05 + 0.01 * seed), "bias_field": scores(0.005)}[refiner],
            report=Path(f"/project/data/08_reporting/{dataset}/{base_model}/{refiner}/seed-{seed}/report.html"),
        )
        for dataset, base_model, refiner, seed in itertools.product(datasets, base_models, refiners, seeds)
    ]


def failed(run: BenchmarkRun, message: str) -> BenchmarkRun:
    """The same run, with a failure since."""
    return dataclasses.replace(run, failure={"stage": "prn_training", "message": message, "at": "2026-01-01T00:00:00"})
