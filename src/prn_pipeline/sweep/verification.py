"""Comparison of a run with its committed results: scores number by number, stages hash by hash."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prn_pipeline.layout.places import METRICS

#: Blocks of the scores JSON that are compared.
COMPARED = ("methods", "gain")
#: Keys that depend on the machine.
MACHINE_KEYS = ("seconds", "milliseconds", "memory_mib")
#: Files that contain times, so that their hashes always differ: scores, and histories of trainings.
TIMED = re.compile(rf"^{METRICS}/|_history\.csv$")


@dataclass(frozen=True)
class ScoreDifference:
    """A value of the scores JSON that is not the same.

    Attributes:
        key: dotted path in the JSON.
        committed: the committed value.
        found: the value of this run; None if it has none.
    """

    key: str
    committed: Any
    found: Any

    @property
    def size(self) -> float:
        """Absolute difference of two numbers; infinite if one of the values is not a number."""
        pair = (self.committed, self.found)
        if any(not isinstance(value, int | float) or math.isnan(value) for value in pair):
            return math.inf
        return float(abs(self.committed - self.found))


@dataclass(frozen=True)
class LockDifference:
    """Something that dvc.lock records otherwise.

    Attributes:
        stage: name of the stage, without the names of the run.
        kind: "command", "dependency", "parameter" or "output".
        name: path, or key of a parameter.
        how: "changed", "only committed" or "not committed".
        files: of a folder of code, those that git has seen change since the lock was committed.
    """

    stage: str
    kind: str
    name: str
    how: str
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        files = f": {', '.join(self.files)}" if self.files else ""
        return f"{self.stage}: {self.kind} {self.name} ({self.how}){files}"


def score_differences(committed: Mapping[str, Any], found: Mapping[str, Any]) -> list[ScoreDifference]:
    """Values of `methods` and `gain` that differ from the committed ones, the largest difference first.

    Two NaN are equal. Values that only `found` has are no difference: the committed file is from before they were
    measured. Seconds, milliseconds and memory are left out.
    """
    before, now = (dict(_values({key: scores.get(key, {}) for key in COMPARED})) for scores in (committed, found))
    differences = [ScoreDifference(key, value, now.get(key)) for key, value in before.items()]
    return sorted((one for one in differences if not _equal(one.committed, one.found)), key=lambda one: -one.size)


def lock_differences(
    committed: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], addresses: Iterable[str]
) -> list[LockDifference]:
    """What dvc.lock records otherwise than the committed lock, stage by stage in order.

    Args:
        committed: stages of the committed lock by address, as `read_lock` returns them.
        found: stages of the lock of this run.
        addresses: of the stages to compare; those that one of the locks lacks are left out.
    """
    differences = []
    for address in addresses:
        if address in committed and address in found:
            before, now = _entries(committed[address]), _entries(found[address])
            for entry in dict.fromkeys([*before, *now]):
                if entry not in now:
                    how = "only committed"
                elif entry not in before:
                    how = "not committed"
                elif before[entry] != now[entry]:
                    how = "changed"
                else:
                    continue
                differences.append(LockDifference(address.partition("@")[0], *entry, how))
    return differences


def _entries(stage: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """(kind, name) -> hash or value; files that contain times are left out."""
    entries: dict[tuple[str, str], Any] = {("command", "cmd"): stage.get("cmd")}
    entries |= {("dependency", one["path"]): one.get("md5") for one in stage.get("deps", ())}
    for values in stage.get("params", {}).values():
        entries |= {("parameter", name): value for name, value in values.items()}
    entries |= {("output", one["path"]): one.get("md5") for one in stage.get("outs", ())}
    return {key: value for key, value in entries.items() if not TIMED.search(key[1])}


def _values(block: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf of a JSON object."""
    items = block.items() if isinstance(block, Mapping) else enumerate(block)
    for key, value in items:
        if key in MACHINE_KEYS:
            continue
        if isinstance(value, Mapping | list):
            yield from _values(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _equal(one: Any, other: Any) -> bool:
    both_nan = all(isinstance(value, float) and math.isnan(value) for value in (one, other))
    return both_nan or (type(one) is type(other) and one == other)
