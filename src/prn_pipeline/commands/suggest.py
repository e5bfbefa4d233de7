"""`prn suggest`: which unlabelled images to label next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.progress import print_failed, printable, with_progress
from prn_pipeline.commands.registry import allow_option, use_project_registry
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.errors import counted

if TYPE_CHECKING:
    from prn_pipeline.serving.suggestion.job import Suggestions

#: Images that are printed; the list has all.
MAX_LISTED = 10


@click.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="folder of a predictor, or its address: models:/my_roads@champion")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder for the list")
@click.option("--count", type=click.IntRange(min=1), default=50, show_default=True, help="number of images to list")
@click.option(
    "--maps",
    type=click.Path(path_type=Path),
    multiple=True,
    help="maps of these images, for a predictor that refines maps of another program; as for prn refine",
)
@click.option("--at-own-scale", is_flag=True, help="do not resize images, but cut them into tiles: for large scenes")
@click.option("--overwrite", is_flag=True, help="score every image again, also after a change of the model")
@allow_option
@report_user_errors
def suggest(
    images: Path,
    model: str,
    out: Path,
    count: int,
    maps: tuple[Path, ...],
    at_own_scale: bool,
    overwrite: bool,
    allow_modules: tuple[str, ...],
) -> None:
    """List which of IMAGES, a folder, to label next.

    Subfolders are included. Writes suggested.csv: name, score (1 - expected IoU) and reason, without images that the
    model has learned from, and without several of one scene. The next call skips images that have a score. Exit code 1
    if an image could not be read, otherwise 0.
    """
    from prn_pipeline.serving.folder_job import FolderJob
    from prn_pipeline.serving.map_folders import map_folders
    from prn_pipeline.serving.places import SCHEMES
    from prn_pipeline.serving.predictor import Predictor
    from prn_pipeline.serving.results_lock import results_lock
    from prn_pipeline.serving.suggestion.job import SuggestionRun, write_suggestions

    if model.startswith(SCHEMES):
        use_project_registry()
    predictor = Predictor.load(model, allow_modules)
    folder, further = map_folders(predictor, maps)
    with results_lock(out):
        run = SuggestionRun(predictor, FolderJob(images, out, folder, at_own_scale, further=further), overwrite)
        failed = with_progress(run.look(), len(run.files), len(run.files) - len(run.pending))
        found = run.suggest(count)
        write_suggestions(out, found)
    _print(found, len(run.files), out)
    print_failed(failed)
    sys.exit(1 if failed else 0)


def _print(found: Suggestions, images: int, out: Path) -> None:
    from prn_pipeline.serving.suggestion.job import TABLE

    left_out = [
        f"{number} {why}"
        for number, why in ((found.labelled, "labelled before"), (found.passed_over, "like others in the list"))
        if number
    ]
    without = f" (left out: {', '.join(left_out)})" if left_out else ""
    click.echo(f"{len(found.table)} of {counted(images, 'image')} to label next: {out / TABLE}{without}")
    for row in found.table.head(MAX_LISTED).itertuples(index=False):
        click.echo(f"  {printable(str(row.name))}  {row.score:.2f}  {row.reason}")
    if (more := len(found.table) - MAX_LISTED) > 0:
        click.echo(f"  ... and {more} more")
