"""An attack, and how it is repeated until its time is up."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak.children import DiedError, HangError
from benchmarks.soak.record import Attempt, Finding, Record
from benchmarks.soak.world import World

Attempting = Callable[[random.Random, Path, World], Attempt]


class Attack(NamedTuple):
    """One kind of attack.

    Attributes:
        name: for the table.
        attempt: makes one attempt, all of whose choices come from the generator, in an empty folder.
        share: of the time of a soak.
        unavailable: why this machine cannot do it; "" if it can.
    """

    name: str
    attempt: Attempting
    share: float
    unavailable: Callable[[], str] = lambda: ""


def draw_of(seed: int, name: str, number: int) -> random.Random:
    """The generator of one attempt, which no other attempt shares."""
    return random.Random(f"{seed}/{name}/{number}")


def attacked(
    attack: Attack, world: World, seed: int, seconds: float = float("inf"), count: int | None = None, first: int = 0
) -> Record:
    """Make attempts until the time is up, or `count` of them; at least one.

    Args:
        attack: the attack.
        world: what is attacked.
        seed: of all attempts.
        seconds: no attempt begins later.
        count: of attempts.
        first: number of the first attempt.
    """
    record = Record(attack.name, skipped=attack.unavailable())
    if record.skipped:
        return record
    numbers = itertools.count(first) if count is None else range(first, first + count)
    start = time.monotonic()
    for number in numbers:
        began = time.monotonic()
        if record.attempts and began - start > seconds:
            break
        record.add(number, _attempt(attack, draw_of(seed, attack.name, number), world), time.monotonic() - began)
    return record


def _attempt(attack: Attack, draw: random.Random, world: World) -> Attempt:
    folder = Path(tempfile.mkdtemp(prefix=f"{attack.name.replace(' ', '-')}-", dir=world.folder))
    try:
        return attack.attempt(draw, folder, world)
    except HangError as error:
        return Attempt([Finding("hang", str(error))])
    except DiedError as error:
        return Attempt([Finding("traceback", str(error))])
    except Exception as error:  # an hour is not lost because one attempt cannot judge what it found
        return Attempt([Finding("traceback", f"the attempt itself: {type(error).__name__}: {error}")])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
