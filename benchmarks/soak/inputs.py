"""Strange settings, own files, pictures, arrays and requests: each is read, or refused with a message for its user."""

from __future__ import annotations

import collections
import logging
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from benchmarks.fuzz import KINDS, Case, outcome
from benchmarks.fuzz_bodies import body_cases
from benchmarks.fuzz_files import FILE_KINDS
from benchmarks.soak.children import HangError, call
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World

#: Inputs of one attempt; those that load the whole configuration take a tenth of a second each.
COUNTS = {"parameter_cases": 10, "yaml_cases": 10}
COUNT = 200
#: Time limit of one input, in seconds.
LIMIT = 10.0

Kind = Callable[[random.Random, Path], Iterator[Case]]
ALL: dict[str, Kind] = {kind.__name__: kind for kind in (*KINDS, *FILE_KINDS, body_cases)}


def read_inputs(draw: random.Random, folder: Path, world: World) -> Attempt:
    """A batch of inputs of one kind."""
    del world
    name = draw.choice(list(ALL))
    count = COUNTS.get(name, COUNT)
    found = call(_outcomes, name, count, draw.randrange(2**31), folder, seconds=LIMIT * 20, memory=8)
    findings = []
    for what, of in found:
        if of not in ("read", "refused"):
            hangs = of.startswith(HangError.__name__)
            findings.append(Finding("hang" if hangs else "traceback", f"{name.removesuffix('_cases')}: {what}: {of}"))
    tally = collections.Counter(of for _, of in found)
    return Attempt(findings, tally.total())


def _outcomes(name: str, count: int, seed: int, folder: Path) -> list[tuple[str, str]]:
    logging.disable(logging.WARNING)  # damaged records are warned of, by the hundred
    signal.signal(signal.SIGALRM, _too_long)
    cases, found = ALL[name](random.Random(seed), folder), []
    for _ in range(count):
        case = next(cases)
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        found.append((case.what, outcome(case)))
        signal.setitimer(signal.ITIMER_REAL, 0)
    return found


def _too_long(number: int, frame: FrameType | None) -> None:
    raise HangError(f"no end in {LIMIT:.0f} s")
