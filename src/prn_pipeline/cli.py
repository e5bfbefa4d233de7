"""The project's `kedro run`: one message for a user error, graceful shutdown, and isolated stages of DVC."""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from prn_pipeline.commands.kedro_messages import user_errors_reported_once
from prn_pipeline.commands.run_progress import run_progress
from prn_pipeline.commands.user_errors import as_user_error, check_run_options, exit_with_code, report_user_errors
from prn_pipeline.configuration.text_names import parsed_names_as_text
from prn_pipeline.hooks import ReportPathHooks
from prn_pipeline.processes.openmp import wait_briefly
from prn_pipeline.processes.redacted_output import redact_output
from prn_pipeline.processes.secrets import redact
from prn_pipeline.processes.signals import graceful_shutdown
from prn_pipeline.sweep.failures import record_failure
from prn_pipeline.tracking.killed_runs import kill_open_runs


@click.group(name="prn_pipeline")
def cli() -> None:
    """Commands of this project."""


def _run(**options: Any) -> None:
    redact_output()
    wait_briefly()
    check_run_options(options)
    ReportPathHooks.written = None
    assert kedro_run.callback is not None
    quiet, as_json = options.pop("quiet", False), options.pop("as_json", False)
    if quiet:
        for name in ("prn_pipeline", "kedro.runner.runner"):
            logging.getLogger(name).setLevel(logging.WARNING)
    if "DVC_STAGE" in os.environ:
        options["params"] = _with_tracked_data(options["params"] or {})
    with (
        graceful_shutdown(),
        record_failure(options["params"] or {}, _describe),
        kill_open_runs(),
        user_errors_reported_once(),
        run_progress(quiet),
    ):
        kedro_run.callback(**options)
    if ReportPathHooks.written is not None:
        _print_finding(ReportPathHooks.scores, ReportPathHooks.written, as_json)
    elif as_json:
        click.echo("{}")


def _print_finding(scores: Mapping[str, Any], report: Path, as_json: bool) -> None:
    from rich.console import Console

    from prn_pipeline.commands.run_summary import print_summary, summary

    if as_json:
        click.echo(json.dumps({**summary(scores), "report": str(report)}, indent=2))
        return
    print_summary(Console(markup=False, highlight=False), scores)
    click.echo(f"\nReport: {report}")


def _with_tracked_data(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a stage of DVC, which must read the raw data that DVC tracks: data/01_raw/<dataset>."""
    os.environ.pop("PRN_DATA_ROOT", None)
    if (name := params.get("dataset")) is None:
        return params
    datasets = params.get("datasets", {})
    return params | {"datasets": datasets | {name: datasets.get(name, {}) | {"folder": None}}}


def _describe(error: Exception) -> str:
    return redact(str(as_user_error(error) or f"{type(error).__name__}: {error}"))


def _parameters(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Parameters as Kedro parses them, except that names stay text: `dataset=2018` names a data set."""
    parsed = _kedro_params.callback(ctx, param, value) if _kedro_params.callback else value
    return parsed_names_as_text(parsed, value) if isinstance(value, str) else parsed


run = copy.copy(kedro_run)
run.help = """Run the stages on one data set, with one base model, refiner and seed.

    conf/base/globals.yml names the four; `--params dataset=my_roads,refiner=trees` names others, and sets any other
    parameter by its path in conf/base. Prints the finding and the path of the report last. What is already made is made
    again; `dvc repro` and `prn benchmark` skip it.
    """
run.callback = exit_with_code(report_user_errors(_run))
(_kedro_params,) = (option for option in kedro_run.params if option.name == "params")
_params = copy.copy(_kedro_params)
_params.callback = _parameters
run.params = [
    *(_params if option is _kedro_params else option for option in kedro_run.params),
    click.Option(["--quiet"], is_flag=True, help="Print warnings, errors and the finding only."),
    click.Option(
        ["--json", "as_json"],
        is_flag=True,
        help="Print the finding as JSON, {} where no report is made; the log goes to standard error.",
    ),
]
cli.add_command(run)
