"""`prn refine`: refined masks of a folder of images, made by a predictor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.json_results import refined_as_json
from prn_pipeline.commands.progress import print_failed, with_progress
from prn_pipeline.commands.registry import allow_option, use_project_registry
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.errors import counted

if TYPE_CHECKING:
    from prn_pipeline.serving.drift_report import DriftReport
    from prn_pipeline.serving.folder_run import FolderRun


@click.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="folder of a predictor, or its address: models:/my_roads@champion")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder for the results")
@click.option(
    "--maps",
    type=click.Path(path_type=Path),
    multiple=True,
    help="refine these maps (read as for base_model=external); repeat it for a refiner of several maps",
)
@click.option(
    "--map-values",
    type=click.Choice(["probabilities", "logits"]),
    help="values in --maps; by default, what the maps of the predictor's run held",
)
@click.option("--at-own-scale", is_flag=True, help="do not resize images, but cut them into tiles: for large scenes")
@click.option("--probabilities", is_flag=True, help="also write probability maps")
@click.option("--no-overlays", is_flag=True, help="do not write overlays")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "coco", "yolo", "geojson"]),
    multiple=True,
    default=["png"],
    show_default=True,
    help="also write the masks in this format, beside the PNG files; repeat it for several formats",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="refine every image again, whichever model refined it; delete the results of images that were removed",
)
@click.option("--json", "as_json", is_flag=True, help="print what was done as JSON; all else to standard error")
@allow_option
@report_user_errors
def refine(
    images: Path,
    model: str,
    out: Path,
    maps: tuple[Path, ...],
    map_values: str | None,
    at_own_scale: bool,
    probabilities: bool,
    no_overlays: bool,
    formats: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
    allow_modules: tuple[str, ...],
) -> None:
    """Refine the masks of IMAGES, a file or a folder.

    Subfolders are included. Writes masks/ (PNG: 255 is foreground, or class ids if there are several classes),
    overlays/ (JPEG: yellow is unchanged foreground, green was added, red was removed), refined.csv, review.csv (images
    by the IoU that their masks are expected to have, worst first) and drift.json. With --format also annotations.json
    (COCO), labels/ and classes.txt (YOLO) or geojson/, which need the extra: pip install 'prn_pipeline[formats]'. The
    next call skips images that are done. Exit code 0 if every image has a mask, 1 if one has none or the command could
    not start.
    """
    from prn_pipeline.serving.drift_report import drift_report, write_report
    from prn_pipeline.serving.exports.writing import FORMATS, require_packages
    from prn_pipeline.serving.folder_job import FolderJob
    from prn_pipeline.serving.folder_run import FolderRun
    from prn_pipeline.serving.map_folders import map_folders
    from prn_pipeline.serving.places import SCHEMES
    from prn_pipeline.serving.predictor import Predictor
    from prn_pipeline.serving.results_lock import results_lock
    from prn_pipeline.serving.review import FILE as REVIEW
    from prn_pipeline.serving.review import review

    wanted = tuple(one for one in FORMATS if one in formats)
    require_packages(wanted)
    if model.startswith(SCHEMES):
        use_project_registry()
    predictor = Predictor.load(model, allow_modules)
    folder, further = map_folders(predictor, maps, map_values)
    job = FolderJob(images, out, folder, at_own_scale, not no_overlays, probabilities, further, wanted)
    with results_lock(out):
        run = FolderRun(predictor, job, overwrite)
        before = len(run.files) - len(run.pending)
        failed = with_progress(run.refine(), len(run.files), before)
        estimate = predictor.settings.expected_iou
        found = review(run.journal, run.files) if estimate is not None else None
        drift = drift_report(predictor, run.journal, run.files)
        write_report(out, drift)
    _print_done(run, failed, out, to_stderr=as_json)
    if estimate is not None and found is not None:
        click.echo(found.summary(estimate, out / REVIEW), err=as_json)
    _print_drift(drift, out, to_stderr=as_json)
    if as_json:
        click.echo(refined_as_json(run, failed, estimate, found, drift, out.absolute()))
    sys.exit(1 if failed else 0)


def _print_done(run: FolderRun, failed: Sequence[tuple[str, str]], out: Path, to_stderr: bool) -> None:
    """Print how many images were refined, and which were not."""
    from prn_pipeline.serving.folder_run import TABLE

    before = len(run.files) - len(run.pending)
    skipped = f" ({before} done before)" if before else ""
    refined = counted(len(run.pending) - len(failed), "image")
    click.echo(f"{refined} refined{skipped}: {out / 'masks'}, {out / TABLE}", err=to_stderr)
    print_failed(failed, f"; all are in {TABLE}")


def _print_drift(report: DriftReport, out: Path, to_stderr: bool) -> None:
    """Print whether the images differ from those of training."""
    from prn_pipeline.serving.drift_report import FILE

    if report.reason:
        click.echo(f"Drift: unknown, {report.reason}", err=to_stderr)
    elif not report.drifted:
        click.echo(
            f"Drift: {counted(report.images, 'image is', 'images are')} like those of training ({out / FILE})",
            err=to_stderr,
        )
    else:
        click.secho(
            f"Drift: {counted(report.images, 'image differs', 'images differ')} from those of training:",
            fg="yellow",
            err=True,
        )
        for one in report.distances:
            if one.name in report.drifted:
                click.secho(f"  {one.name}: distance {one.distance:.2f} (p {one.p:.2g})", fg="yellow", err=True)
        click.secho(
            "Check some masks by eye before using them; expected IoUs may be wrong too. To adapt, label some of these"
            " images and train again.",
            fg="yellow",
            err=True,
        )
