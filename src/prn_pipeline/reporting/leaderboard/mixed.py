"""Whether the seeds that are averaged were run with the same settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun

#: In scores: what the base model and its maps were made with, and what the refiner.
SETTINGS = "settings"


def mixed_settings(runs: Sequence[BenchmarkRun]) -> list[str]:
    """What a change of settings left half-way: base models and refiners whose runs do not belong together.

    Args:
        runs: of a benchmark; those without scores, or with scores that do not say their settings, prove nothing.

    Returns:
        `drive/unet_resnet18_small` where refiners or seeds of it are of different data or base model settings;
        `drive/unet_resnet18_small/prn` where seeds of one refiner are of different settings.
    """
    found: dict[str, set[str]] = {}
    for run in runs:
        settings: dict[str, Any] = (run.scores or {}).get(SETTINGS, {}) if run.state == "done" else {}
        base = f"{run.names['dataset']}/{run.names['base_model']}"
        for whose, part in ((base, "base_model"), (f"{base}/{run.names['refiner']}", "refiner")):
            if part in settings:
                found.setdefault(whose, set()).add(settings[part])
    return [whose for whose, digests in found.items() if len(digests) > 1]
