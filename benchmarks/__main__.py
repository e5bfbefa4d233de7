"""`python -m benchmarks [section ...]`: measure the sections of `SECTIONS`, print tables, write files.

The tables go to a JSON and a Markdown file, the ratios to the history.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import busy_machine, gpu, network, pseudo_labels, shares, stages, start_up
from benchmarks.history import HISTORY, Entry, append, circumstances, entries
from benchmarks.machine import describe, kind_of_processor, usable_cores, use_cores
from benchmarks.report import Column, Row, Table, machine_line, save, show

OUT = Path("data/08_reporting/benchmarks.json")
#: Stages run in processes of their own; the others share this one, so what changes its allocator (network) comes later.
SECTIONS: dict[str, Callable[[argparse.Namespace], list[Table]]] = {
    "pseudo_labels": lambda options: pseudo_labels.run(options.quick),
    "network": lambda options: network.run(options.quick, options.compile, options.ratios),
    "start_up": lambda options: start_up.run(options.quick),
    "shares": lambda options: shares.run(options.quick),
    "busy_machine": lambda options: busy_machine.run(options.quick),
    "stages": lambda options: stages.run(options.quick),
    "gpu": lambda options: gpu.run(options.quick, options.compile),
}


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line to options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run? The numbers mean nothing")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave out torch.compile")
    parser.add_argument("--out", type=Path, default=OUT, help=f"JSON file; a .md goes beside it (default {OUT})")
    parser.add_argument("--ratios", action="store_true", help="of each section only the tables with ratios")
    parser.add_argument("--history", type=Path, default=HISTORY, help="file that the ratios are added to")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sections if name not in SECTIONS]:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if options.out.suffix != ".json":
        parser.error(f"--out {options.out} must end in .json: the Markdown beside it has the same name with .md")
    return options


def ratios(measured: Sequence[Entry]) -> Table:
    """Every ratio beside its goal."""
    columns = (
        Column("name", "ratio of"),
        Column("ratio", "", ".3g"),
        Column("goal", "goal", ".0f"),
        Column("met", "met"),
    )
    rows: list[Row] = [
        {
            "name": one.name,
            "ratio": one.ratio,
            "goal": one.goal,
            "met": None if one.goal is None else one.ratio >= one.goal,
        }
        for one in measured
    ]
    return Table("ratios", "Ratios; more is faster", columns, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the chosen sections one after the other."""
    options = options_of(arguments)
    machine = describe()
    of = circumstances(machine["date"], kind_of_processor(machine))  # before this run is what keeps the machine busy
    use_cores(1 if options.quick else usable_cores())  # a busy machine is quick with one thread only
    console = Console(width=None if Console().is_terminal else 160)
    console.print(machine_line(machine))
    found: dict[str, list[Table]] = {}
    seconds: dict[str, float] = {}
    for name in options.sections or SECTIONS:
        start = time.perf_counter()
        with console.status(f"{name} ..."):
            found[name] = SECTIONS[name](options)
        seconds[name] = round(time.perf_counter() - start, 1)
        show(console, found[name])
    beside = save(options.out, machine, found, {"quick": options.quick, "seconds": seconds, "load": of.load})
    measured = list(entries(of, found))
    show(console, [ratios(measured)])
    if not options.quick:
        append(measured, options.history)
        if of.obstacle:
            console.print(f"`make bench-check` will not judge these ratios: {of.obstacle}")
    console.print(f"{options.out} and {beside.name}, after {sum(seconds.values()):.0f} s")


if __name__ == "__main__":
    main()
