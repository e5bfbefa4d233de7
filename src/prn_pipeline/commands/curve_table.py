"""The result of `prn curve` in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from prn_pipeline.reporting.label_curve import (
    COLUMNS,
    CurveRow,
    curve_rows,
    forecast_columns,
    forecast_rows,
    left_out_sentences,
)


def curve_tables(found: Mapping[str, Any]) -> Iterator[Table | str]:
    """What was measured, by refiner and size; what more labels would add; and which sizes were left out."""
    yield _table(COLUMNS, curve_rows(found))
    yield ""
    yield _table(forecast_columns(found), forecast_rows(found))
    yield "Gains in points of IoU micro, 95 % intervals. The best free method is chosen on the measured images."
    yield from left_out_sentences(found)


def _table(columns: Sequence[str], rows: Sequence[CurveRow]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("Refiner", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.refiner, *row.cells)
    return table
