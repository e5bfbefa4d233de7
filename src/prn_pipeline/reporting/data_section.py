"""The section of a report on its data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from prn_pipeline.reporting.dataset.facts import SPLIT_COLUMNS, fact_rows, split_rows
from prn_pipeline.reporting.dataset.samples import FOREGROUND, IGNORED, ShownSample
from prn_pipeline.reporting.dataset.sheet import caption
from prn_pipeline.reporting.gallery import Panel

#: The sheet of samples, from the folder of a run's report.
SHEET = "../../../samples.png"


class DataSection(NamedTuple):
    """What the page shows of the data set; `pairs` are (caption, image, image with its mask)."""

    columns: tuple[str, ...]
    splits: list[tuple[str, ...]]
    facts: list[tuple[str, str]]
    pairs: list[tuple[str, Panel, Panel]]
    sheet: str
    foreground: str
    ignored: str


def data_section(summary: Mapping[str, Any], samples: Sequence[ShownSample]) -> DataSection | None:
    """The section; None where there is no summary."""
    if not summary:
        return None
    pairs = [
        (
            caption(sample),
            Panel("", f"Sample {sample.sample_id}", sample.image, photograph=True),
            Panel("", f"Sample {sample.sample_id} with its mask", sample.marked, photograph=True),
        )
        for sample in samples
    ]
    return DataSection(SPLIT_COLUMNS, split_rows(summary), fact_rows(summary), pairs, SHEET, FOREGROUND, IGNORED)
