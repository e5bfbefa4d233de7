"""Tables of results: on the terminal, as Markdown, and as JSON for comparisons between machines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from prn_pipeline.data.store.atomic import atomic_write

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: key in a row, heading, and how a number is written (a format specification)."""

    key: str
    heading: str
    format: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of raw numbers, columns that say how to show them, and notes for the reader.

    A row may lack a column, or hold None there; both show as an empty cell.

    Attributes:
        ratio: key of the number that is comparable between runs, of which more is faster; "" if there is none.
        named_by: keys of what tells the rows apart.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ratio: str = ""
    named_by: tuple[str, ...] = ()

    def runs(self, row: Row) -> list[str]:
        """One row as text."""
        return [_shown(row.get(column.key), column.format) for column in self.columns]


def _shown(value: Any, specification: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, specification) if isinstance(value, int | float) else str(value)


def goal(row: Row, value: float, least: float) -> Row:
    """The row with a goal beside its value, and whether it was met."""
    return row | {"goal": least, "met": value >= least}


def show(console: Console, tables: list[Table]) -> None:
    """Print tables."""
    for table in tables:
        shown = RichTable(title=table.title, title_justify="left", caption_justify="left")
        shown.caption = "\n".join(table.notes) or None
        for column in table.columns:
            shown.add_column(column.heading, justify="right" if column.format else "left")
        for row in table.rows:
            shown.add_row(*table.runs(row))
        console.print(shown)


def markdown(machine: Row, sections: dict[str, list[Table]]) -> str:
    """The same tables as Markdown, below a line about the machine."""
    lines = ["# Benchmarks", "", machine_line(machine), ""]
    for tables in sections.values():
        for table in tables:
            lines += [f"## {table.title}", ""]
            lines.append("| " + " | ".join(column.heading for column in table.columns) + " |")
            lines.append("|" + "|".join("---:" if column.format else "---" for column in table.columns) + "|")
            lines += ["| " + " | ".join(table.runs(row)) + " |" for row in table.rows]
            lines += ["", *(f"- {note}" for note in table.notes), ""]
    return "\n".join(lines).rstrip() + "\n"


def machine_line(machine: Row) -> str:
    """The machine in one line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {', '.join(machine['cpu_features']) or 'no vector extensions'};"
        f" {', '.join(machine['gpus']) or 'no GPU'}; torch {machine['torch']}, numpy {machine['numpy']}, numba"
        f" {machine['numba']}; {machine['date']}"
    )


def save(out: Path, machine: Row, sections: dict[str, list[Table]], facts: Row) -> Path:
    """Write `out` (JSON) and a Markdown file of the same name beside it; returns the latter's path."""
    document = {
        "machine": machine,
        **facts,
        "sections": {
            name: {t.name: {"title": t.title, "rows": t.rows, "notes": t.notes} for t in tables}
            for name, tables in sections.items()
        },
    }
    beside = out.with_suffix(".md")
    texts = {out: json.dumps(document, indent=2, allow_nan=False) + "\n", beside: markdown(machine, sections)}
    for path, text in texts.items():
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return beside
