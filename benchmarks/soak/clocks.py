"""Clocks that jumped: files from the future and the past, locks and temporary folders of dead processes among them."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path

from benchmarks.soak.children import Command, call
from benchmarks.soak.judgement import differing, judged
from benchmarks.soak.leftovers import leftovers
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import STAGES, World, results_below, scores_of

YEAR = 365 * 24 * 3600


def turn_project(draw: random.Random, folder: Path, world: World) -> Attempt:
    """Other times on files of a project, and what dead processes have left there; then a stage runs."""
    expected, project = world.scores, world.copy(world.finished, folder / "project")
    stage = draw.choice(STAGES)
    command = draw.choice([["kedro", "run", "--pipelines", stage], ["kedro", "run", "--pipelines", "ingestion"]])
    planted = call(
        _plant, project / "data/02_intermediate/synthetic_roads/samples.zarr", draw.choice(["partial", "retired"])
    )
    for name in ("data/.locks/runs.lock", "data/08_reporting/retrain.lock", "data/06_models/.checkpoints.lock"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    _turn(draw, project)
    _leave_running(draw, project / "mlflow.db")
    findings = judged(Command(command, project, folder / "log.txt").wait(), command)
    if scores_of(project) != expected:
        findings.append(Finding("mismatch", "other scores"))
    here = [".lock"] if command[-1] == "ingestion" else [".lock", planted.name]  # others belong to nobody here
    left = [one for one in leftovers(project) if "runs.lock" not in one and not any(name in one for name in here)]
    findings += [Finding("mismatch", one) for one in left]
    return Attempt([one._replace(what=f"{command[-1]}: {one.what}") for one in findings], 1, command[-1])


def turn_results(draw: random.Random, folder: Path, world: World) -> Attempt:
    """Other times on results of `prn refine`, which is then called again."""
    command = world.refine_command(out := folder / "out")
    expected = world.refined
    findings = judged(Command(command, folder, folder / "log.txt").wait(), command)
    _turn(draw, out)
    findings += judged(Command(command, folder, folder / "log.txt").wait(), command)
    if results_below(out) != expected:
        findings.append(Finding("mismatch", f"other results: {differing(results_below(out), expected)}"))
    return Attempt(findings, 2)


def _turn(draw: random.Random, folder: Path) -> None:
    """Give files and folders times up to ten years from now, or from 1970 on."""
    share = draw.random()
    for one in sorted(folder.rglob("*")):
        if draw.random() < share and not one.is_symlink():
            moment = draw.choice([0, time.time() + draw.uniform(0, 10 * YEAR), draw.uniform(0, time.time())])
            os.utime(one, (moment, moment))


def _leave_running(draw: random.Random, database: Path) -> None:
    """Leave a run of MLflow as a killed process would, at another time."""
    start = int(1000 * (time.time() + draw.uniform(-YEAR, YEAR)))
    with sqlite3.connect(database) as connection:
        names = [name for (name,) in connection.execute("select run_uuid from runs order by run_uuid")]
        connection.execute(
            "update runs set status = 'RUNNING', start_time = ?, end_time = null where run_uuid = ?",
            (start, draw.choice(names)),
        )


def _plant(artefact: Path, state: str) -> Path:
    """A temporary folder of an artefact, whose process has ended."""
    import subprocess

    from prn_pipeline.data.store.atomic import _temporary_path

    ended = subprocess.Popen(["true"])
    ended.wait()
    planted = _temporary_path(artefact, ended.pid, state)
    planted.mkdir()
    (planted / "zarr.json").write_text("{}")
    return planted
