"""`python -m benchmarks.memory`: peak memory and time of every stage, `prn refine` and the server, as images grow.

Each command runs in a process of its own, in a project that is removed at the end. What has been measured on this
processor is kept in benchmarks/results and not measured again: remove its entry there. Then docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.memory_case import COMMANDS, IMAGES, REFINED, SIZE
from benchmarks.results_page import replace_mark
from prn_pipeline.sweep.committed_results import RESULTS
from prn_pipeline.tracking.provenance import processor

PROJECT = Path(__file__).resolve().parents[1]
PAGE, MARK = PROJECT / "docs" / "scale.md", "memory"
COUNTS = (200, 2000, 20000)
#: Growth of the peak that counts as none, from the fewest images to the most.
FLAT = 0.1

#: Command -> number of images -> what `memory_case.measured` returns.
Measured = dict[str, dict[str, dict[str, float]]]


def results_file() -> Path:
    """Where the measurements of this processor are kept."""
    return PROJECT / RESULTS / f"memory-{re.sub(r'[^a-z0-9]+', '-', processor().lower()).strip('-')}.json"


def new_project(folder: Path) -> Path:
    """A project with this one's configuration and no data; the code is this one's."""
    (folder / "src").mkdir(parents=True)
    shutil.copy(PROJECT / "pyproject.toml", folder)
    shutil.copytree(PROJECT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    (folder / "conf" / "local").mkdir()
    return folder


def measure(project: Path, count: int, command: str) -> dict[str, Any]:
    """What a command takes in a process of its own; `IMAGES` writes files, and returns nothing."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)]),
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db?timeout=60",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
    arguments = [sys.executable, "-m", "benchmarks.memory_case", str(project), str(count), command]
    done = subprocess.run(arguments, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} of {count} images ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return {} if command == IMAGES else json.loads(done.stdout.splitlines()[-1])


def measure_all(count: int, found: Measured, keep: Path, folder: Path) -> None:
    """Measure every command on `count` images, and keep each result at once."""
    project = new_project(folder / str(count))
    for command in COMMANDS:
        if all(str(count) in found.get(later, {}) for later in list(COMMANDS)[list(COMMANDS).index(command) :]):
            break
        if command == "prn refine":
            measure(project, count, IMAGES)
        found.setdefault(command, {})[str(count)] = measure(project, count, command)
        print(count, command, found[command][str(count)], flush=True)
        keep.write_text(json.dumps({"machine": describe(), "size": SIZE, "measured": found}, indent=2) + "\n")
        if command == "prn refine":
            for written in (IMAGES, REFINED):
                shutil.rmtree(project / written)
    shutil.rmtree(project)


def section(machine: Mapping[str, Any], found: Measured) -> str:
    """Markdown: the table, and which commands are not flat."""
    counts = sorted({int(count) for of_command in found.values() for count in of_command})
    heads = [f"MiB, {count:,}" for count in counts] + ["growth"] + [f"s, {count:,}" for count in counts]
    steps = [f"ms per image, {low:,} to {high:,}" for low, high in pairwise(counts)]
    lines = [
        f"Images of {SIZE} x {SIZE}; {machine['cpu']}, one thread; torch {machine['torch']}; {machine['date']}.",
        "",
        "| | " + " | ".join(heads + steps) + " |",
        "|---" + "|---:" * (len(heads) + len(steps)) + "|",
    ]
    for command, of_command in found.items():
        peaks = [_shown(of_command, count, "mib_peak", "{:.0f}") for count in counts]
        seconds = [_shown(of_command, count, "cpu_seconds", "{:.1f}") for count in counts]
        added = [_added_milliseconds(of_command, low, high) for low, high in pairwise(counts)]
        change = growth(of_command)
        shown = [*peaks, "" if change is None else f"{100 * change:+.0f} %", *seconds, *added]
        lines.append(f"| {command} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def growth(of_command: Mapping[str, Mapping[str, float]]) -> float | None:
    """Peak memory with the most images over that with the fewest, less 1; None for a single number of images."""
    counts = sorted(of_command, key=int)
    if len(counts) < 2:
        return None
    return of_command[counts[-1]]["mib_peak"] / of_command[counts[0]]["mib_peak"] - 1


def _shown(of_command: Mapping[str, Mapping[str, float]], count: int, key: str, form: str) -> str:
    return form.format(of_command[str(count)][key]) if str(count) in of_command else ""


def _added_milliseconds(of_command: Mapping[str, Mapping[str, float]], low: int, high: int) -> str:
    """Processor time of each image between two numbers of images: the same in every step, if time is linear."""
    if str(low) not in of_command or str(high) not in of_command:
        return ""
    more = of_command[str(high)]["cpu_seconds"] - of_command[str(low)]["cpu_seconds"]
    return f"{1000 * more / (high - low):.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of images")
    parser.add_argument("--scratch", type=Path, help="folder for stores and images: 5 GB for 20,000 images")
    parser.add_argument("--out", type=Path, help="file of the results; the page shows the default one")
    options = parser.parse_args(arguments)
    keep = options.out or results_file()
    found: Measured = json.loads(keep.read_text())["measured"] if keep.is_file() else {}
    with tempfile.TemporaryDirectory(prefix="prn-memory-", dir=options.scratch) as folder:
        for count in options.counts:
            measure_all(count, found, keep, Path(folder))
    if options.out is None:
        kept = json.loads(keep.read_text())
        replace_mark(PAGE, MARK, section(kept["machine"], kept["measured"]))
        print(PAGE)


if __name__ == "__main__":
    main()
