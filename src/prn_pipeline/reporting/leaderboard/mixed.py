"""Whether the seeds that are averaged were run with the same settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prn_pipeline.reporting.leaderboard.cells import Cell

#: In scores: what the base model and its maps were made with, and what the refiner.
SETTINGS = "settings"


def mixed_settings(cells: Sequence[Cell]) -> list[str]:
    """What a change of settings left half-way: base models and refiners whose cells do not belong together.

    Args:
        cells: of a benchmark; those without scores, or with scores that do not say their settings, prove nothing.

    Returns:
        `drive/unet_resnet18_small` where refiners or seeds of it are of different data or base model settings;
        `drive/unet_resnet18_small/prn` where seeds of one refiner are of different settings.
    """
    found: dict[str, set[str]] = {}
    for cell in cells:
        settings: dict[str, Any] = (cell.scores or {}).get(SETTINGS, {}) if cell.state == "done" else {}
        base = f"{cell.names['dataset']}/{cell.names['base_model']}"
        for whose, part in ((base, "base_model"), (f"{base}/{cell.names['refiner']}", "refiner")):
            if part in settings:
                found.setdefault(whose, set()).add(settings[part])
    return [whose for whose, digests in found.items() if len(digests) > 1]
