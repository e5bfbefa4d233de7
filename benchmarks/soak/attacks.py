"""All attacks, with their shares of the time."""

from __future__ import annotations

from benchmarks.soak.attack import Attack
from benchmarks.soak.bombs import read_bombs
from benchmarks.soak.clocks import turn_project, turn_results
from benchmarks.soak.damage import flip_and_lose
from benchmarks.soak.full_disk import fill_project, fill_results
from benchmarks.soak.inputs import read_inputs
from benchmarks.soak.kills import kill_a_run, kill_refining
from benchmarks.soak.mounts import no_read_only, no_small_disk
from benchmarks.soak.read_only import protect_project, protect_results
from benchmarks.soak.secrets import plant
from benchmarks.soak.two_writers import refine_twice, run_twice

ATTACKS = {
    one.name: one
    for one in (
        Attack("strange inputs", read_inputs, 15),
        Attack("bombs", read_bombs, 4),
        Attack("flipped and lost", flip_and_lose, 4),
        Attack("kills of prn refine", kill_refining, 4),
        Attack("two writers of results", refine_twice, 3),
        Attack("full disk, results", fill_results, 3, no_small_disk),
        Attack("planted secrets", plant, 5),
        Attack("read-only results", protect_results, 1, no_read_only),
        Attack("read-only project", protect_project, 4, no_read_only),
        Attack("clock jumps, results", turn_results, 1),
        Attack("clock jumps, project", turn_project, 4),
        Attack("full disk, project", fill_project, 5, no_small_disk),
        Attack("two writers of runs", run_twice, 5),
        Attack("kills of runs", kill_a_run, 12),
    )
}
