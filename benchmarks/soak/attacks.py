"""All attacks, with their shares of the time."""

from __future__ import annotations

from benchmarks.soak.attack import Attack
from benchmarks.soak.bombs import read_bombs
from benchmarks.soak.damage import flip_and_lose
from benchmarks.soak.inputs import read_inputs
from benchmarks.soak.kills import kill_a_run, kill_refining

ATTACKS = {
    one.name: one
    for one in (
        Attack("strange inputs", read_inputs, 15),
        Attack("bombs", read_bombs, 4),
        Attack("flipped and lost", flip_and_lose, 4),
        Attack("kills of prn refine", kill_refining, 4),
        Attack("kills of runs", kill_a_run, 15),
    )
}
