"""The command `prn`: what goes beyond one run, which `kedro run` runs."""

import click

from prn_pipeline.commands.benchmark import benchmark, leaderboard, plan
from prn_pipeline.commands.export import export
from prn_pipeline.commands.refine import refine
from prn_pipeline.commands.registry import models, rollback
from prn_pipeline.commands.retrain import pull, push, retrain


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def prn() -> None:
    """Benchmarks of refiners (conf/base/benchmark.yml lists the runs), and what is done with a trained one."""


for command in (plan, benchmark, leaderboard, refine, export, models, rollback, retrain, pull, push):
    prn.add_command(command)
