"""Refines a folder of images: writes masks, overlays and a table. An interrupted run resumes where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.spreadsheets import csv_text
from prn_pipeline.metrics.descriptions import names_of
from prn_pipeline.serving.exports.writing import remove_exports, write_exports, write_geotiffs
from prn_pipeline.serving.folder_images import images_below
from prn_pipeline.serving.folder_job import FolderJob, Readable, Unreadable, examine_files
from prn_pipeline.serving.journal import Entry, Journal, as_json
from prn_pipeline.serving.pictures import write_mask, write_overlay, write_probabilities
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.review import EXPECTED, review, write_review

TABLE = "refined.csv"


class FolderRun:
    """One run of a job.

    Attributes:
        files: all images by name.
        pending: images that have not been refined yet, or have changed since.
        journal: journal of this run and earlier ones.

    Args:
        predictor: predictor that refines the images.
        job: images and options.
        overwrite: refine all images again.

    Raises:
        UserError: there are no images, the maps cannot be what they are read as, or the folder has results of another
            model or of other options.
    """

    def __init__(self, predictor: Predictor, job: FolderJob, overwrite: bool = False) -> None:
        self._predictor, self._job = predictor, job
        self.files = images_below(job.images, predictor.settings.bands is not None, job.out)
        job.check_maps(self.files)
        #: Images of this folder that were refined before and have been removed since.
        self._removed: list[str] = []
        if overwrite:
            own = [name for name, place in Journal.reset(job.out).items() if place == job.place != ""]
            self._removed = [name for name in own if name not in self.files]
        self.journal = Journal(job.out, job.journal_header(predictor))
        self.pending = {
            name: path
            for name, path in self.files.items()
            if not (self.journal.is_done(name, job.version(name, path)) and _mask_file(job.out, name).is_file())
        }

    def refine(self) -> Iterator[tuple[str, str | None]]:
        """Refine the pending images, then write other formats and the table.

        An image that cannot be refined does not stop the others; the next run tries it again.

        Yields:
            The name of each image, and its error or None.

        Raises:
            UserError: the predictor needs other inputs.
        """
        for found in examine_files(self._predictor, self._job, self.pending):
            if isinstance(found, Unreadable):
                _remove_results(self._job.out, found.name)  # results of an earlier version of the file
                self.journal.add(found.entry)
                yield found.name, found.error
            else:
                _write(self._predictor, self._job, found)
                self.journal.add(_entry(self._predictor, self._job, found))
                yield found.name, None
        for name in self._removed:
            _remove_results(self._job.out, name)
        self._export()
        write_table(self._job.out, self.journal, list(self.files))
        write_review(self._job.out, review(self.journal, self.files))

    def _export(self) -> None:
        """Write the masks of all images in the formats of the job, and of GeoTIFF images as GeoTIFF."""
        out, done = self._job.out, [name for name in self.files if "row" in self.journal.entries.get(name, {})]
        masks = {name: file for name in done if (file := _mask_file(out, name)).is_file()}
        classes = self._predictor.settings.classes
        write_geotiffs(out, masks, self.files, classes)
        write_exports(out, self._job.formats, masks, self.files, classes)


def write_table(out: Path, journal: Journal, names: list[str]) -> None:
    """Write `TABLE` with one row per image."""
    entries = (journal.entries[name] for name in names if name in journal.entries)
    rows = [{"name": entry["name"], **entry.get("row", {}), "error": entry.get("error", "")} for entry in entries]
    table = pd.DataFrame(rows)
    table = table[[*(column for column in table if column != "error"), "error"]]  # also if the first row is an error
    table = table.convert_dtypes()  # keeps integers in columns with missing values
    with atomic_write(out / TABLE) as temporary:
        temporary.write_text(csv_text(table), encoding="utf-8", newline="")


def _write(predictor: Predictor, job: FolderJob, found: Readable) -> None:
    name, item, examined = found.name, found.item, found.examined
    mask, probabilities = examined.predicted
    remove_exports(job.out, name)
    write_mask(_mask_file(job.out, name), mask, predictor.classes)
    if job.probabilities:
        write_probabilities(job.out / "probabilities" / f"{name}.png", probabilities)
    if job.overlays and item.image is not None:
        write_overlay(_overlay_file(job.out, name), item.image, mask, examined.base_mask, predictor.classes)


def _mask_file(out: Path, name: str) -> Path:
    return out / "masks" / f"{name}.png"


def _overlay_file(out: Path, name: str) -> Path:
    return out / "overlays" / f"{name}.jpg"


def _remove_results(out: Path, name: str) -> None:
    probabilities = (out / "probabilities" / f"{name}{extension}" for extension in (".png", ".npy"))
    for file in (_mask_file(out, name), _overlay_file(out, name), *probabilities):
        file.unlink(missing_ok=True)
    remove_exports(out, name)


def _entry(predictor: Predictor, job: FolderJob, found: Readable) -> Entry:
    examined = found.examined
    mask, base = examined.predicted.mask, examined.base_mask
    if predictor.classes > 1:
        classes = enumerate(predictor.settings.classes)
        shares = {f"share of {class_name}": float(np.mean(mask == class_id)) for class_id, class_name in classes}
    else:
        shares = {"foreground": float(mask.mean())}
    description = examined.description
    confidence = description.values[0, names_of(()).index("confidence")]
    row = {
        "height": mask.shape[0],
        "width": mask.shape[1],
        **{key: round(share, 6) for key, share in shares.items()},
        "changed": round(float(np.mean(mask != base)), 6),
        "base_confidence": round(float(confidence), 4),
        **({} if (expected := predictor.expected_iou(examined)) is None else {EXPECTED: round(expected, 4)}),
    }
    source = {"images": job.place, "source": found.version}
    return {"name": found.name, **source, "row": row, "description": as_json(description)}
