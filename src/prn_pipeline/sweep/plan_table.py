"""A plan as a table, and its totals."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from prn_pipeline.reporting.wording import MISSING, duration, mebibytes
from prn_pipeline.sweep.plan import PlannedStage

MIB = 2**20


def plan_table(stages: Sequence[PlannedStage]) -> Table:
    """One row per stage; a tilde marks estimates from other runs."""
    table = Table("stage", box=None, header_style="dim", pad_edge=False)
    for name in ("run", "why"):
        table.add_column(name, overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("disk", justify="right", no_wrap=True)
    for one in stages:
        mark = "" if one.exact else "~"
        time = MISSING if one.seconds is None else f"{mark}{duration(one.seconds)}"
        disk = MISSING if one.bytes is None else f"{mark}{mebibytes(one.bytes / MIB)}"
        names = "/".join(str(value) for value in one.names.values())
        table.add_row(
            one.stage,
            escape(names),
            escape(one.reason) if one.reason else "[dim]follows a stale stage[/dim]",
            time,
            disk,
        )
    return table


def totals(stages: Sequence[PlannedStage]) -> str:
    """Numbers of stages and runs, and sums of the estimates; says how many stages have none."""
    runs = len({tuple(one.names.values()) for one in stages if "refiner" in one.names})
    time = sum(one.seconds or 0.0 for one in stages)
    disk = sum(one.bytes or 0 for one in stages)
    without_time = sum(one.seconds is None for one in stages)
    without_size = sum(one.bytes is None for one in stages)
    count = f"{_plural(len(stages), 'stage')} of {_plural(runs, 'run')}"
    if without_time == len(stages):
        return f"{count}; no estimate: no such stage has run on this machine."
    if without_size == len(stages):
        files = "an unknown amount of new files"
    else:
        files = f"{mebibytes(disk / MIB)} of new files"
        if without_size:
            files += f" ({_plural(without_size, 'stage')} of unknown size not included)"
    lines = [
        f"{count}: about {duration(time)} if run one after the other, and {files}. The DVC cache needs the same space"
        " again where the file system cannot link files."
    ]
    if without_time:
        lines.append(f"{_plural(without_time, 'stage')} without an estimate: no such stage has run on this machine.")
    return "\n".join(lines)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
