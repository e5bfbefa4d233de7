"""benchmarks/history.jsonl: every ratio that `make bench` has measured, one per line, the newest last."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.report import Table
from prn_pipeline.tracking.provenance import git_commit

PROJECT = Path(__file__).resolve().parents[1]
HISTORY = PROJECT / "benchmarks" / "history.jsonl"
#: What a ratio depends on, as git names it.
CODE = ("src", "benchmarks/*.py", "pyproject.toml", "requirements.lock")
#: Load average before the start above which other work disturbs the times.
MAX_LOAD = 1.0


@dataclass(frozen=True)
class Circumstances:
    """What a run was measured on, and how quiet it was.

    Attributes:
        commit: of the code; "none" without a repository.
        dirty: the code had changes that are not committed.
        date: of the start, in UTC.
        processor: its name and newest vector extension, see `machine.kind_of_processor`.
        load: average of the last minute before the start: processes that ran or waited to run.
    """

    commit: str
    dirty: bool
    date: str
    processor: str
    load: float

    @property
    def obstacle(self) -> str:
        """Why the run is not to be compared with others; "" if it is."""
        reasons = ["its code was not committed"] if self.dirty else []
        reasons += [f"the machine was busy (load average {self.load:.1f})"] if self.load > MAX_LOAD else []
        return " and ".join(reasons)


@dataclass(frozen=True)
class Entry(Circumstances):
    """A measured ratio; more is faster.

    Attributes:
        name: section, table and what the row of the table is about, joined by slashes.
        ratio: of the time of a plain implementation to ours, or a share in percent.
        goal: what it should reach; None if there is no goal.
    """

    name: str
    ratio: float
    goal: float | None


def circumstances(date: str, processor: str) -> Circumstances:
    """Those of a run that starts now."""
    return Circumstances(git_commit(PROJECT), _is_dirty(), date, processor, round(os.getloadavg()[0], 2))


def _is_dirty() -> bool:
    command = ["git", "status", "--porcelain", "--", *CODE]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.returncode != 0 or bool(done.stdout.strip())


def entries(of: Circumstances, sections: Mapping[str, Iterable[Table]]) -> Iterator[Entry]:
    """An entry for every row of every table that has ratios."""
    for section, tables in sections.items():
        for table in tables:
            for row in table.rows:
                if table.ratio and row.get(table.ratio) is not None:
                    name = "/".join([section, table.name, *(str(row[key]) for key in table.named_by)])
                    yield Entry(**asdict(of), name=name, ratio=round(row[table.ratio], 4), goal=row.get("goal"))


def append(found: Iterable[Entry], file: Path = HISTORY) -> None:
    """Add entries at the end."""
    lines = [json.dumps(asdict(one)) + "\n" for one in found]
    with file.open("a", encoding="utf-8") as history:
        history.writelines(lines)


def read(file: Path = HISTORY) -> list[Entry]:
    """All entries; none if there is no file."""
    if not file.exists():
        return []
    return [Entry(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def runs(history: Iterable[Entry]) -> list[list[Entry]]:
    """The entries run by run, the oldest first: those of a run have one date."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for one in history:
        found.setdefault((one.date, one.processor), []).append(one)
    return list(found.values())
