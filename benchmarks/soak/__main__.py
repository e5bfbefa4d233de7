"""`python -m benchmarks.soak [--minutes M] [--seed S]`: attacks, and a table of what they found; exit code 1 on any."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.small_project import PROJECT
from benchmarks.soak.attack import attacked
from benchmarks.soak.attacks import ATTACKS
from benchmarks.soak.record import Record
from benchmarks.soak.table import failures, table
from benchmarks.soak.world import World

OUT = PROJECT / "data/08_reporting/soak.json"


def soak(names: list[str], seed: int, minutes: float, folder: Path, attempt: int | None = None) -> list[Record]:
    """Run attacks one after the other, each for its share of the minutes; or a single attempt of each."""
    world, records = World(folder), []
    chosen = [ATTACKS[name] for name in names]
    unit = 60 * minutes / sum(one.share for one in chosen)
    for one in chosen:
        print(f"{one.name} ...", file=sys.stderr, flush=True)
        number, count = (0, None) if attempt is None else (attempt, 1)
        records.append(attacked(one, world, seed, unit * one.share, count, number))
        if records[-1].found:
            print(failures(records[-1], seed), flush=True)
    return records


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="time of all attacks together")
    parser.add_argument("--seed", type=int, default=0, help="of all choices")
    parser.add_argument("--attacks", nargs="*", default=list(ATTACKS), choices=list(ATTACKS), metavar="NAME")
    parser.add_argument("--attempt", type=int, help="make this attempt only, once")
    parser.add_argument("--out", type=Path, default=OUT, help="JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        records = soak(options.attacks, options.seed, options.minutes, Path(folder), options.attempt)
    print(f"\nseed {options.seed}, {options.minutes:g} minutes\n\n{table(records)}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"seed": options.seed, "attacks": [one.as_json() for one in records]}, indent=2) + "\n"
    )
    return 1 if any(one.found for one in records) else 0


if __name__ == "__main__":
    sys.exit(main())
