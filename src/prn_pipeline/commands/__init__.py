"""The command `prn`: sweeps of many runs, retraining, and the use of predictors; `kedro run` makes a single run."""

import click

from prn_pipeline.commands.benchmark import benchmark, leaderboard, plan
from prn_pipeline.commands.check import check
from prn_pipeline.commands.curve import curve
from prn_pipeline.commands.export import export
from prn_pipeline.commands.init import init
from prn_pipeline.commands.refine import refine
from prn_pipeline.commands.registry import models, rollback
from prn_pipeline.commands.retrain import pull, push, retrain
from prn_pipeline.commands.serve import serve
from prn_pipeline.commands.suggest import suggest
from prn_pipeline.commands.verify import verify
from prn_pipeline.processes.openmp import wait_briefly
from prn_pipeline.processes.redacted_output import redact_output


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prn_pipeline", message="%(package)s %(version)s")
def prn() -> None:
    """Add and check data sets, run benchmarks, and use trained predictors; `kedro run` makes a single run."""
    redact_output()
    wait_briefly()


for command in (
    init,
    check,
    plan,
    benchmark,
    leaderboard,
    verify,
    curve,
    refine,
    suggest,
    serve,
    export,
    models,
    rollback,
    retrain,
    pull,
    push,
):
    prn.add_command(command)
