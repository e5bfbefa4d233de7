"""Folders that cannot be written to: one line that names them, and the same result once they can be."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.soak.children import Command
from benchmarks.soak.judgement import differing, judged, refused
from benchmarks.soak.leftovers import leftovers
from benchmarks.soak.mounts import read_only
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import RUN, STAGES, World, results_below, scores_of

PLACES = (
    "data/02_intermediate",
    "data/04_feature",
    "data/06_models",
    f"data/08_reporting/{RUN}",
    "data",
    "metrics",
    ".",
)


def protect_project(draw: random.Random, folder: Path, world: World) -> Attempt:
    """A folder of the project while a stage runs."""
    expected, project, stage = world.scores, world.copy(world.finished, folder / "project"), draw.choice(STAGES)
    place, command = draw.choice(PLACES), ["kedro", "run", "--pipelines", stage]
    with read_only(project / place):
        ended = Command(command, project, folder / "log.txt").wait()
        findings = refused(ended, command, str(project / place))  # or it writes nothing there
    findings += judged(Command(command, project, folder / "log.txt").wait(), command)
    if scores_of(project) != expected:
        findings.append(Finding("mismatch", f"{stage} with {place}: other scores"))
    findings += [Finding("mismatch", one) for one in leftovers(project)]
    return Attempt([one._replace(what=f"{stage}, {place}: {one.what}") for one in findings], 2, stage)


def protect_results(draw: random.Random, folder: Path, world: World) -> Attempt:
    """The folder of results of `prn refine`."""
    del draw
    command = world.refine_command(out := folder / "out")
    out.mkdir()
    expected = world.refined
    with read_only(out):
        findings = refused(Command(command, folder, folder / "log.txt").wait(), command, str(out))
    if list(out.iterdir()):
        findings.append(Finding("mismatch", "something was written"))
    findings += judged(Command(command, folder, folder / "log.txt").wait(), command)
    if results_below(out) != expected:
        findings.append(
            Finding("mismatch", f"other results once it could be written to: {differing(results_below(out), expected)}")
        )
    return Attempt(findings, 2)
