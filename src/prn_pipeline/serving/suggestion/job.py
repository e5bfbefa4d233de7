"""Looks at the images of a folder and lists those to label next; an interrupted run resumes where it stopped."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from prn_pipeline.data.pixel_digest import pixel_digest
from prn_pipeline.data.splits.video_frames import thumbnail
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.spreadsheets import csv_text
from prn_pipeline.serving.folder_images import images_below
from prn_pipeline.serving.folder_job import FolderJob, Readable, Unreadable, examine_files
from prn_pipeline.serving.journal import Entry, Journal
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.suggestion.ranking import pick, reason

#: Files in the folder of results.
TABLE, JOURNAL = "suggested.csv", ".suggested.jsonl"
#: Values of thumbnails in the journal, in base64.
STORED = np.dtype("<f2")


class Suggestions(NamedTuple):
    """Images to label.

    Attributes:
        table: name, score (1 - expected IoU) and reason, in order.
        labelled: number of images that the predictor has learned from; they are left out.
        passed_over: number of images left out because they resemble one in the table.
    """

    table: pd.DataFrame
    labelled: int
    passed_over: int


class SuggestionRun:
    """One run over a folder of images.

    Attributes:
        files: all images by name.
        pending: images that have not been looked at yet, or have changed since.

    Args:
        predictor: predictor that is to be trained further.
        job: images, folder of results, and maps; nothing else of it is used.
        overwrite: look at all images again.

    Raises:
        UserError: there are no images, or the folder has results of another model or other maps.
    """

    def __init__(self, predictor: Predictor, job: FolderJob, overwrite: bool = False) -> None:
        self._predictor, self._job = predictor, job
        self.files = images_below(job.images, predictor.settings.bands is not None, job.out)
        job.check_maps(self.files)
        if overwrite:
            Journal.reset(job.out, JOURNAL)
        self._journal = Journal(job.out, job.journal_header(predictor), JOURNAL)
        self.pending = {
            name: path for name, path in self.files.items() if not self._journal.is_done(name, job.version(name, path))
        }

    def look(self) -> Iterator[tuple[str, str | None]]:
        """Look at the pending images. One that cannot be read does not stop the others.

        Yields:
            The name of each image, and its error or None.

        Raises:
            UserError: the predictor needs other inputs.
        """
        for found in examine_files(self._predictor, self._job, self.pending):
            if isinstance(found, Unreadable):
                self._journal.add(found.entry)
                yield found.name, found.error
            else:
                self._journal.add(_entry(found))
                yield found.name, None

    def suggest(self, count: int) -> Suggestions:
        """The images to label next, of those that have been looked at.

        Args:
            count: how many, at most.
        """
        entries = [self._journal.entries[name] for name in self.files if name in self._journal.entries]
        entries = [entry for entry in entries if "statistics" in entry]
        known = set(self._predictor.settings.learned_from)
        new = [entry for entry in entries if entry["content"] not in known]
        if not new:
            return Suggestions(pd.DataFrame(columns=["name", "score", "reason"]), len(entries), 0)
        statistics = np.array([entry["statistics"] for entry in new], np.float64)
        estimate = self._predictor.settings.expected_iou
        room = 1 - (statistics[:, 0] if estimate is None else estimate.of(statistics))
        thumbnails = [np.frombuffer(base64.b64decode(entry["thumbnail"]), STORED) for entry in new]
        picked = pick(room, np.stack(thumbnails).astype(np.float32), count)
        rows = [
            (
                new[row]["name"],
                round(float(room[row]), 4),
                reason(statistics[row, 0], statistics[row, 1], new[row]["foreground"]),
            )
            for row in picked.rows.tolist()
        ]
        table = pd.DataFrame(rows, columns=["name", "score", "reason"])
        return Suggestions(table, len(entries) - len(new), picked.passed_over)


def write_suggestions(folder: Path, found: Suggestions) -> None:
    """Write `TABLE` into the folder of results."""
    with atomic_write(folder / TABLE) as temporary:
        temporary.write_text(csv_text(found.table), encoding="utf-8", newline="")


def _entry(found: Readable) -> Entry:
    item, examined = found.item, found.examined
    assert item.image is not None
    return {
        "name": found.name,
        "source": found.version,
        "content": pixel_digest(item.image),
        "statistics": [round(value, 6) for value in examined.quality().tolist()],
        "foreground": round(float((examined.predicted.mask > 0).mean()), 6),
        "thumbnail": base64.b64encode(thumbnail(item.image).astype(STORED).tobytes()).decode(),
    }
