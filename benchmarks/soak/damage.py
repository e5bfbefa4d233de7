"""Flipped bits and lost files in every kind of artefact: refused, or read as written."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

from benchmarks.bit_flips import Damage, Outcome, flips, losses, outcome_of
from benchmarks.soak.children import call
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World
from benchmarks.stored_artefacts import KINDS

FLIPS, LOSSES = 40, 10


def flip_and_lose(draw: random.Random, folder: Path, world: World) -> Attempt:
    """Some flipped bits and some lost files of one artefact."""
    del world
    name = draw.choice(list(KINDS))
    found = call(_outcomes, name, draw.randrange(2**31), folder, seconds=120)
    findings = [
        Finding("mismatch" if outcome == "changed" else "traceback", f"{name}: {what}: {outcome}")
        for what, outcome in found
        if outcome in ("changed", "failed")
    ]
    return Attempt(findings, len(found))


def _outcomes(name: str, seed: int, folder: Path) -> list[tuple[str, Outcome]]:
    artefact = KINDS[name]
    artefact.write(folder)
    expected = artefact.read(folder)
    lost = list(losses(folder))
    random.Random(seed).shuffle(lost)
    damages: list[Damage] = [*flips(folder, FLIPS, seed), *islice(lost, LOSSES)]
    return [
        (f"{damage.file.relative_to(folder)} {damage.how}", outcome_of(damage, artefact, folder, expected))
        for damage in damages
    ]
