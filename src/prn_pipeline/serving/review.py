"""Which masks a person should look at first: `review.csv`, sorted by expected IoU."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.spreadsheets import csv_text
from prn_pipeline.errors import counted, counted_of
from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
from prn_pipeline.serving.journal import Journal

FILE = "review.csv"
#: Column of the tables, and key of a journal's rows.
EXPECTED = "expected_iou"
#: Masks below it share less with the truth than they miss or invent.
LOW = 0.5


class Review(NamedTuple):
    """Expected IoU of the images of a folder.

    Attributes:
        table: name and expected_iou, the worst first.
        low: number of images below `LOW`.
    """

    table: pd.DataFrame
    low: int

    def summary(self, estimate: ExpectedIou, place: Path) -> str:
        """One line: how many masks are likely to be bad, where the list is, and how far it can be trusted."""
        images, column = len(self.table), self.table[EXPECTED]
        if self.low:
            found = f"{counted_of(self.low, images, 'images')} below {LOW}"
        else:
            found = f"none of {counted(images, 'image')} is below {LOW}, the lowest is {column.iloc[0]:.2f}"
        return (
            f"Expected IoU: {found}; worst first in {place} (mean error {estimate.error:.2f}; on"
            f" {estimate.images} held-out images, the 20 % expected to be worst contained"
            f" {100 * estimate.worst_found:.0f} % of the truly worst 10 %)"
        )


def review(journal: Journal, names: Iterable[str]) -> Review | None:
    """The images that have an expected IoU; None if none has.

    Args:
        journal: journal of the folder of results.
        names: names of the images that are in the folder now; entries of others are ignored.
    """
    rows = [(name, journal.entries[name].get("row", {}).get(EXPECTED)) for name in names if name in journal.entries]
    table = pd.DataFrame([row for row in rows if row[1] is not None], columns=["name", EXPECTED])
    if table.empty:
        return None
    return Review(table.sort_values([EXPECTED, "name"], ignore_index=True), int((table[EXPECTED] < LOW).sum()))


def write_review(folder: Path, found: Review | None) -> None:
    """Write `FILE` into the folder of results; without expected IoUs, remove that of an earlier model."""
    if found is None:
        (folder / FILE).unlink(missing_ok=True)
        return
    with atomic_write(folder / FILE) as temporary:
        temporary.write_text(csv_text(found.table), encoding="utf-8", newline="")
