"""A plan for people: a row a stage and group of runs, and what it all adds up to."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from prn_pipeline.reporting.wording import MISSING, duration, mebibytes
from prn_pipeline.sweep.plan import PlannedStage

MIB = 2**20


def plan_table(stages: Sequence[PlannedStage]) -> Table:
    """A row a stage: estimates from other runs' records are marked with a tilde."""
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
        table.add_row(one.stage, names, one.reason or "[dim]after another[/dim]", time, disk)
    return table


def totals(stages: Sequence[PlannedStage]) -> str:
    """How much there is to do, and how much of it nobody knows."""
    runs = len({tuple(one.names.values()) for one in stages if "refiner" in one.names})
    time = sum(one.seconds or 0.0 for one in stages)
    disk = sum(one.bytes or 0 for one in stages)
    unknown = sum(one.seconds is None for one in stages)
    count = f"{len(stages)} stage{'' if len(stages) == 1 else 's'} of {runs} run{'' if runs == 1 else 's'}"
    if unknown == len(stages):
        return f"{count}; how long they take is not known: nothing like them has run on this machine."
    nameless = sum(one.bytes is None for one in stages)
    files = "new files of unknown size" if nameless == len(stages) else f"{mebibytes(disk / MIB)} of new files"
    more = f", and those of {nameless} more whose size is not known" if 0 < nameless < len(stages) else ""
    lines = [
        f"{count}, about {duration(time)} one after the other and {files}{more} (the DVC cache holds them once more"
        " where the file system cannot link)."
    ]
    if unknown:
        lines.append(f"{unknown} of them without an estimate: nothing like them has run on this machine.")
    return "\n".join(lines)
