"""`prn curve`: what more labelled images would add, from the stored maps of a base model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from prn_pipeline.commands.terminal import project_root
from prn_pipeline.commands.user_errors import exit_with_code, report_user_errors

if TYPE_CHECKING:
    from rich.console import Console

    from prn_pipeline.stages.label_curve.curve import Step

#: Sizes that are measured unless others are given.
SIZES = "5,10,20,50,100"
DRAWS = 3
#: Rooms whose log lines of each fit are left out: one line says that it is done, and sentences say what guards did.
QUIET = {"prn_pipeline.refinement": logging.ERROR, "prn_pipeline.training": logging.WARNING}


def _sizes(context: click.Context, option: click.Parameter, value: str) -> list[int]:
    """Numbers of images from `5,10,20`."""
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r}: expected numbers of images such as {SIZES}")
    return sorted({int(part) for part in parts})


def _params(context: click.Context, option: click.Parameter, value: str) -> Any:
    """Parameters by their names, as Kedro reads them."""
    from kedro.framework.cli.utils import _split_params

    return _split_params(context, option, value)


@click.command()
@click.option("--dataset", help="name of a data set")
@click.option("--base-model", help="name of a base model")
@click.option("--refiner", "refiners", multiple=True, help="name of a refiner; repeat it for several refiners")
@click.option("--seed", type=click.IntRange(min=0), help="seed of the run")
@click.option("--sizes", default=SIZES, show_default=True, callback=_sizes, help="numbers of labelled images")
@click.option("--draws", default=DRAWS, show_default=True, type=click.IntRange(min=1), help="draws of images per size")
@click.option("--params", default="", callback=_params, help="further parameters, as in `kedro run --params`")
@exit_with_code
@report_user_errors
def curve(
    dataset: str | None,
    base_model: str | None,
    refiners: tuple[str, ...],
    seed: int | None,
    sizes: list[int],
    draws: int,
    params: dict[str, Any],
) -> None:
    """Estimate what more labelled images would add.

    Measures the gain of refiners at growing numbers of labelled images, and estimates that of 50 more, from the stored
    maps of a base model (`kedro run` makes them). For each size, refiners learn from some of the images that they may
    learn from, and are measured on the others; test images are not used. Data set, base model, refiner and seed are
    those of conf/base/globals.yml unless they are given. Writes label_curve.json, .csv and .png into the base model's
    folder of data/08_reporting, and the reports of its runs show them from then on. What an interrupted call has
    measured is not measured again.
    """
    from rich.console import Console

    from prn_pipeline.commands.curve_inputs import open_curve
    from prn_pipeline.commands.curve_table import curve_tables
    from prn_pipeline.processes.signals import graceful_shutdown
    from prn_pipeline.reporting.figures.label_curve import label_curve_png
    from prn_pipeline.stages.label_curve.curve import label_curve
    from prn_pipeline.stages.label_curve.summary import table_rows

    names = {"dataset": dataset, "base_model": base_model, "refiner": refiners[0] if refiners else None, "seed": seed}
    given = params | {name: value for name, value in names.items() if value is not None}
    console = Console()
    with graceful_shutdown():
        project = project_root()
        inputs = open_curve(project, given, refiners, sizes, draws)
        progress = _Progress(Console(stderr=True))
        with _quiet():
            found = inputs.names | label_curve(inputs.maps, inputs.refiners, inputs.plan, inputs.points, progress.show)
        inputs.save(found, table_rows(found), label_curve_png(found))
    for part in curve_tables(found):
        console.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))
    file = inputs.file.relative_to(project) if inputs.file.is_relative_to(project) else inputs.file
    console.print(
        f"\n{file}\nTo show it in a report: {inputs.report_command}", highlight=False, markup=False, soft_wrap=True
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """A context without the log lines of `QUIET`."""
    loggers = {logging.getLogger(room): level for room, level in QUIET.items()}
    before = {logger: logger.level for logger in loggers}
    for logger, level in loggers.items():
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


class _Progress:
    """One line for each fit."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._done = 0

    def show(self, step: Step, steps: int) -> None:
        """Print what was measured."""
        self._done += 1
        spent = "done before" if step.before else f"{step.seconds:.1f} s"
        self._console.print(
            f"{self._done}/{steps}  {step.refiner}, {step.draw.images} images, draw {step.draw.number + 1}: {spent}",
            style="dim",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
