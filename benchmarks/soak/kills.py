"""SIGKILL at random moments: the next start continues, and ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from benchmarks.soak.children import Command, Ended
from benchmarks.soak.judgement import differing, judged
from benchmarks.soak.leftovers import leftovers
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World, results_below, scores_of

#: Kills before a command may end.
MAX_KILLS = 3
#: Starts to be killed; where a command is faster than it was measured, it ends before its kill.
MOST_STARTS = 2 * MAX_KILLS
COMMANDS = {
    "kedro": ["kedro", "run"],
    "dvc": ["dvc", "repro"],
    "benchmark": ["prn", "benchmark"],
    "retrain": ["prn", "retrain"],
}


def kill_refining(draw: random.Random, folder: Path, world: World) -> Attempt:
    """`prn refine`."""
    expected, out = world.refined, folder / "out"
    command = world.refine_command(out)
    kills, findings, last = _kill(draw, command, folder, folder, world.seconds, "refine")
    findings += judged(last, command)
    if results_below(out) != expected:
        findings.append(Finding("mismatch", f"other results: {differing(results_below(out), expected)}"))
    findings += [Finding("mismatch", one) for one in leftovers(out)]
    return Attempt(findings, kills)


def kill_a_run(draw: random.Random, folder: Path, world: World) -> Attempt:
    """A command that makes the whole run, or its last stages."""
    expected, project = world.scores, folder / "project"
    name = draw.choice(list(COMMANDS))
    if name == "kedro":
        world.copy(world.project, project)
        if name not in world.seconds:
            reference = world.copy(world.project, folder / "undisturbed")
            world.run(name, COMMANDS[name], reference)
    else:
        world.unfinished(project, draw)
        world.seconds.setdefault(name, world.seconds["dvc"] / 2)
    kills, findings, last = _kill(draw, COMMANDS[name], project, folder, world.seconds, name)
    findings += judged(last, COMMANDS[name])
    if scores_of(project) != expected:
        findings.append(Finding("mismatch", f"{name}: other scores than undisturbed"))
    findings += [Finding("mismatch", f"{name}: {one}") for one in leftovers(project)]
    return Attempt(findings, kills, name)


def _kill(
    draw: random.Random, command: list[str], folder: Path, logs: Path, seconds: dict[str, float], name: str
) -> tuple[int, list[Finding], Ended]:
    """Kill a command some times, then let it end: the number of kills, findings, and how it ended."""
    kills, findings, wanted = 0, [], draw.randint(1, MAX_KILLS)
    for number in range(MOST_STARTS):
        if kills == wanted:
            break
        ended = Command(command, folder, logs / f"log-{number}.txt").kill_after(draw.uniform(0, seconds[name]))
        killed = ended.code == -signal.SIGKILL
        if not killed:  # it was measured when the machine was busier
            seconds[name] = min(seconds[name], max(0.5, ended.seconds))
        kills += killed
        if ended.has_traceback and not killed:
            findings.append(Finding("traceback", f"{' '.join(command)}: {ended.output[-2000:]}"))
    return kills, findings, Command(command, folder, logs / "log-last.txt").wait()
