"""`prn check`: what ingestion understands of a data set, before anything is trained."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.terminal import project_root
from prn_pipeline.commands.user_errors import report_user_errors

if TYPE_CHECKING:
    import pandas as pd

    from prn_pipeline.data.canvas import ImageSize
    from prn_pipeline.data.readers.records import Reader


@click.command()
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="print what was found as JSON; warnings go to standard error")
@report_user_errors
def check(dataset: str, as_json: bool) -> None:
    """Read and check all files of DATASET, as ingestion does.

    Prints what was found, and writes a sheet of samples beside their masks. Exit code 0 if the data set can be used, 1
    if not.
    """
    from prn_pipeline.configuration.dataset_blocks import dataset_settings
    from prn_pipeline.configuration.project_configuration import read_configuration
    from prn_pipeline.data.ingestion import inspect_and_summarise
    from prn_pipeline.data.readers.factory import make_reader
    from prn_pipeline.data.store.atomic import atomic_write
    from prn_pipeline.layout.places import REPORTS, SAMPLE_SHEET
    from prn_pipeline.reporting.dataset.facts import as_text

    project = project_root()
    parameters = read_configuration(project, {}).parameters
    settings = dataset_settings(parameters, dataset)
    with _warnings_once():
        reader = make_reader(dataset, settings, Path(parameters["ingestion"]["data_root"]))
        manifest, summary = inspect_and_summarise(dataset, settings, reader)
        if not as_json:
            click.echo(as_text(summary))
        sheet = project / REPORTS / dataset / SAMPLE_SHEET
        with atomic_write(sheet) as temporary:
            temporary.write_bytes(_sheet(dataset, reader, manifest, settings.image_size))
    if as_json:
        click.echo(json.dumps({**summary, "sheet": str(sheet)}, indent=2, allow_nan=False))
    else:
        click.echo(f"\nSamples beside their masks: {sheet}")


def _sheet(dataset: str, reader: Reader, manifest: pd.DataFrame, image_size: ImageSize) -> bytes:
    """The sheet that ingestion draws of its stored samples, read from the files."""
    from prn_pipeline.data.batches import read_batches
    from prn_pipeline.data.image_values import WHITE
    from prn_pipeline.reporting.dataset.samples import choose, shown_samples
    from prn_pipeline.reporting.dataset.sheet import sheet_png

    rows = choose(manifest)
    scaled = reader.scaled(manifest.attrs.get(WHITE))
    ((images, masks),) = read_batches(scaled, manifest.iloc[rows], image_size, batch_size=len(rows))
    return sheet_png(dataset, len(manifest), shown_samples(manifest, rows, list(images), list(masks)))


@contextmanager
def _warnings_once() -> Iterator[None]:
    """Print each warning once, although the files are listed twice: to be checked, and for the sheet."""
    shown: set[str] = set()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if (message := record.getMessage()) not in shown:
                shown.add(message)
                click.echo(f"Warning: {message}", err=True)

    handler, root = Handler(logging.WARNING), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
