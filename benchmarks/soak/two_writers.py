"""The same command twice at once, in the same place: both end, or one says why not; the result is that of one."""

from __future__ import annotations

import random
import time
from pathlib import Path

from benchmarks.soak.children import Command, Ended
from benchmarks.soak.judgement import differing, judged
from benchmarks.soak.leftovers import leftovers
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World, results_below, scores_of
from prn_pipeline.processes.exit_codes import ALREADY_RUNNING, DONE

#: Commands, and the exit codes that one of the two may have.
COMMANDS = {
    "kedro run": (["kedro", "run"], (DONE,)),
    "dvc repro": (["dvc", "repro"], (DONE, 255)),  # DVC's own lock
    "prn benchmark": (["prn", "benchmark"], (DONE, ALREADY_RUNNING)),
    "prn retrain": (["prn", "retrain"], (DONE, ALREADY_RUNNING)),
}
#: Seconds between the starts, at most.
APART = 2.0


def refine_twice(draw: random.Random, folder: Path, world: World) -> Attempt:
    """`prn refine` into one folder."""
    command = world.refine_command(out := folder / "out")
    expected = world.refined
    findings = _both(draw, command, folder, folder, (DONE,))
    findings += judged(Command(command, folder, folder / "log.txt").wait(), command)
    if results_below(out) != expected:
        findings.append(
            Finding("mismatch", f"other results than those of one writer: {differing(results_below(out), expected)}")
        )
    findings += [Finding("mismatch", one) for one in leftovers(out)]
    lines = (out / ".refined.jsonl").read_text().splitlines()
    if len(lines) != 1 + len(list(world.images.iterdir())):
        findings.append(Finding("mismatch", f"a journal of {len(lines)} lines"))
    return Attempt(findings, 2)


def run_twice(draw: random.Random, folder: Path, world: World) -> Attempt:
    """A command that makes runs, in one project."""
    name = draw.choices(list(COMMANDS), [4, 1, 1, 1])[0]
    command, codes = COMMANDS[name]
    expected, project = world.scores, folder / "project"
    if name == "kedro run":
        world.copy(world.project, project)
    else:
        world.unfinished(project, draw)
    findings = _both(draw, command, project, folder, codes)
    if scores_of(project) != expected:
        findings.append(Finding("mismatch", "other scores than those of one writer"))
    findings += [Finding("mismatch", one) for one in leftovers(project)]
    return Attempt([one._replace(what=f"{name}: {one.what}") for one in findings], 2, name)


def _both(draw: random.Random, command: list[str], folder: Path, logs: Path, codes: tuple[int, ...]) -> list[Finding]:
    first = Command(command, folder, logs / "first.txt")
    time.sleep(draw.choice([0, 0, draw.uniform(0, APART)]))
    second = Command(command, folder, logs / "second.txt")
    ended: list[Ended] = [first.wait(), second.wait()]
    findings = [found for one in ended for found in judged(one, command, *codes)]
    if all(one.code for one in ended):
        findings.append(Finding("mismatch", f"neither ended well: {ended[0].output[-800:]} {ended[1].output[-800:]}"))
    return findings
