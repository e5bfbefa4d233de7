"""A disk that fills up: one line names it, nothing is half-written, and the command goes through on a larger one."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from benchmarks.soak.children import Command, Ended
from benchmarks.soak.judgement import differing, judged
from benchmarks.soak.leftovers import CHECKPOINTS, leftovers
from benchmarks.soak.mounts import enlarge, small_disk
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World, results_below, scores_of, size_of

#: Bytes of a disk that is large enough for everything here.
ENOUGH = 2**28
MESSAGE = "No space left on device"


def fill_results(draw: random.Random, folder: Path, world: World) -> Attempt:
    """The folder of results of `prn refine`."""
    expected, disk = world.refined, folder / "disk"
    size = draw.randrange(1, size_of(world.folder / "refined") // 4096) * 4096
    command = world.refine_command(out := disk / "out")
    with small_disk(disk, size):
        ended = Command(command, folder, folder / "log.txt").wait()
        findings = _judged_full(ended, disk)
        found = results_below(out)
        findings += [
            Finding("mismatch", f"half-written: {name}") for name in found if found[name] != expected.get(name)
        ]
        findings += [Finding("mismatch", one) for one in leftovers(out)]
        enlarge(disk, ENOUGH)
        findings += judged(Command(command, folder, folder / "log.txt").wait(), command)
        if results_below(out) != expected:
            findings.append(
                Finding("mismatch", f"other results after space was made: {differing(results_below(out), expected)}")
            )
    return Attempt(findings, 2, "full" if ended.code else "large enough")


def fill_project(draw: random.Random, folder: Path, world: World) -> Attempt:
    """The disk of a project's data, or of all of it, during `kedro run`."""
    expected, project = world.scores, folder / "project"
    disk = project / draw.choice(["data", "metrics", "."])
    before = world.folder / "project" / disk.relative_to(project)
    first, last = size_of(before), size_of(world.finished / disk.relative_to(project))
    size = (first + int(draw.random() * (last - first))) // 4096 * 4096 + 4096
    with small_disk(disk, max(size, first + 4096)):
        shutil.copytree(world.project, project, symlinks=True, dirs_exist_ok=True)
        command = ["kedro", "run"]
        ended = Command(command, project, folder / "log.txt").wait()
        findings = _judged_full(ended, disk)
        findings += [
            Finding("mismatch", one)
            for one in leftovers(project)
            if "RUNNING" not in one and f"{CHECKPOINTS}/" not in one  # the next start continues from a checkpoint
        ]
        enlarge(disk, ENOUGH)
        findings += judged(Command(command, project, folder / "log.txt").wait(), command)
        if scores_of(project) != expected:
            findings.append(Finding("mismatch", "other scores after space was made"))
        findings += [Finding("mismatch", one) for one in leftovers(project)]
    return Attempt(findings, 2, f"{disk.name} {'full' if ended.code else 'large enough'}")


def _judged_full(ended: Ended, disk: Path) -> list[Finding]:
    if not ended.code:
        return []
    findings = judged(ended, ended.command, ended.code)
    lines = [line for line in ended.output.splitlines() if MESSAGE in line]
    if len(lines) != 1 or not lines[0].startswith("Error: ") or str(disk) not in lines[0]:
        findings.append(Finding("mismatch", f"not one line that names the full disk {disk}: {ended.output[-1500:]}"))
    return findings
