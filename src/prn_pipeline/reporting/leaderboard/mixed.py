"""Whether the runs that are averaged had the same settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun

#: Key in the scores JSON: digests of the settings of the base model with its maps, and of the refiner.
SETTINGS = "settings"


def mixed_settings(runs: Sequence[BenchmarkRun]) -> list[str]:
    """Base models and refiners whose runs had different settings, as after a sweep that was stopped half-way.

    Args:
        runs: of a benchmark; runs without scores or without digests are ignored.

    Returns:
        `drive/unet_resnet18_small` where its runs differ in the settings of data or base model;
        `drive/unet_resnet18_small/prn` where the seeds of one refiner differ in its settings.
    """
    digests: dict[str, set[str]] = {}
    for run in runs:
        settings: dict[str, Any] = (run.scores or {}).get(SETTINGS, {}) if run.state == "done" else {}
        base = f"{run.names['dataset']}/{run.names['base_model']}"
        for place, part in ((base, "base_model"), (f"{base}/{run.names['refiner']}", "refiner")):
            if part in settings:
                digests.setdefault(place, set()).add(settings[part])
    return [place for place, found in digests.items() if len(found) > 1]
