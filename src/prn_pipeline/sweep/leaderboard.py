"""The leaderboard of a project's runs, written to files and logged to MLflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.layout.places import LEADERBOARD
from prn_pipeline.processes.secrets import redact
from prn_pipeline.reporting.leaderboard import Leaderboard, make_leaderboard, read_runs
from prn_pipeline.sweep.lists import Lists
from prn_pipeline.tracking.metric_names import metric_name
from prn_pipeline.tracking.provenance import software
from prn_pipeline.tracking.quiet_imports import quieten_logs


def write_leaderboard(lists: Lists, project: Path) -> tuple[Leaderboard, Path]:
    """Write the leaderboard of all runs that have scores as HTML, CSV and Markdown; return it with the page's path."""
    folder = project / LEADERBOARD
    made = make_leaderboard(read_runs(lists.runs(), project), folder, software(project))
    for name, text in (("html", made.html), ("csv", made.csv), ("md", made.markdown)):
        with atomic_write(folder / f"leaderboard.{name}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return made, folder / "leaderboard.html"


def track_leaderboard(made: Leaderboard, page: Path, tracking: Mapping[str, str]) -> None:
    """Log the leaderboard to an MLflow run of its own, in the experiment of its runs.

    Args:
        made: what `write_leaderboard` made.
        page: the HTML file; its folder is logged.
        tracking: `uri` and `experiment`.
    """
    quieten_logs()
    mlflow.set_tracking_uri(tracking["uri"])
    mlflow.set_experiment(tracking["experiment"])
    with mlflow.start_run(run_name="benchmark", tags={"role": "benchmark"}):
        mlflow.log_artifacts(str(page.parent), "leaderboard")
        gains = {
            f"gain.{s.dataset}.{s.base_model}.{s.method}": s.gain.mean for s in made.standings if s.kind != "bound"
        }
        found = gains | {f"rank.{method}": rank for method, rank in made.ranking.ranks.items()}
        mlflow.log_metrics({metric_name(name): value for name, value in found.items() if math.isfinite(value)})


def track_if_possible(made: Leaderboard, page: Path, tracking: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Call `track_leaderboard`; warn if the tracking server fails, because the files are already written."""
    try:
        track_leaderboard(made, page, tracking)
    except MlflowException as error:
        warn(f"the leaderboard {page} was not logged to MLflow: {redact(str(error))}")
