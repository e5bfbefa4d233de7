"""Runs whose newest scores nobody has judged yet, and the promotion pipeline that judges them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prn_pipeline.layout.places import METRICS, PROMOTION, REPORTS, STAGE_LOGS
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.sweep.environment import tool_environment


class PromotionError(Exception):
    """The promotion pipeline of a run did not come to a judgement; says why."""


def awaits_judgement(names: Mapping[str, Any], project: Path) -> bool:
    """Whether the run has scores, and no judgement that is as new: told, as make does, by the files' times."""
    scores = project / METRICS / f"{scope_path('run', dict(names))}.json"
    judgement = _judgement(names, project)
    return scores.is_file() and not (judgement.is_file() and judgement.stat().st_mtime_ns >= scores.stat().st_mtime_ns)


def judge(names: Mapping[str, Any], project: Path) -> bool:
    """Run the promotion pipeline of one run.

    Args:
        names: of the run.
        project: root of the repository; what is said goes to a log beside those of the stages.

    Returns:
        Whether the run's predictor was promoted; otherwise the champion was kept.

    Raises:
        PromotionError: it was neither.
    """
    log = project / STAGE_LOGS / f"promotion-{'-'.join(str(value) for value in names.values())}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        done = subprocess.run(
            ["kedro", "run", "--pipelines", "promotion", "--params", ",".join(f"{k}={v}" for k, v in names.items())],
            cwd=project,
            env=tool_environment() | {"DVC_STAGE": "promotion"},  # the raw data that its stages have read
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        _, found, reason = log.read_text(errors="replace").rpartition("Error: ")
        why = " ".join(reason.split()) if found else f"exit code {done.returncode}"
        raise PromotionError(f"{why} ({log.relative_to(project)})")
    return bool(json.loads(_judgement(names, project).read_text())["promoted"])


def _judgement(names: Mapping[str, Any], project: Path) -> Path:
    return project / REPORTS / scope_path("run", dict(names)) / PROMOTION
