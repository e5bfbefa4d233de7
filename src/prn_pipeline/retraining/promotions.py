"""Promotion of the runs whose scores have changed since it last ran."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.layout.places import METRICS, PROMOTION, REPORTS, STAGE_LOGS
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.sweep.environment import tool_environment


class PromotionError(Exception):
    """The promotion pipeline of a run failed; the message has the reason and the log file."""


def needs_promotion(names: Mapping[str, Any], project: Path) -> bool:
    """Whether the run has scores and no promotion decision that is at least as new, by the times of the files."""
    scores = project / METRICS / f"{scope_path('run', dict(names))}.json"
    decision = _decision(names, project)
    return scores.is_file() and not (decision.is_file() and decision.stat().st_mtime_ns >= scores.stat().st_mtime_ns)


def promote(names: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """Run the promotion pipeline of one run in a process of its own.

    Args:
        names: of the run.
        project: root of the repository; the output goes to a log beside those of the stages.

    Returns:
        The decision, see `promotion.challenge.challenge`.

    Raises:
        PromotionError: the pipeline failed.
    """
    log = project / STAGE_LOGS / f"promotion-{'-'.join(str(value) for value in names.values())}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        done = subprocess.run(
            ["kedro", "run", "--pipelines", "promotion", "--params", ",".join(f"{k}={v}" for k, v in names.items())],
            cwd=project,
            env=tool_environment() | {"DVC_STAGE": "promotion"},  # read the same raw data as the stages did
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        _, found, message = log.read_text(errors="replace").rpartition("Error: ")
        reason = " ".join(message.split()) if found else f"exit code {done.returncode}"
        raise PromotionError(f"{reason} ({log.relative_to(project)})")
    return read_json(_decision(names, project))


def _decision(names: Mapping[str, Any], project: Path) -> Path:
    return project / REPORTS / scope_path("run", dict(names)) / PROMOTION
