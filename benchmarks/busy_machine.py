"""What a training keeps of its speed beside another process, and what a bare loop over the same network keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.report import Column, Row, Table, goal
from benchmarks.shares import rates, started
from prn_pipeline.processes.openmp import TURNS, VARIABLES

BESIDE = ("nothing", "a busy thread", "another training")
#: Share of its speed alone that a training should keep: 2.5 times the time.
GOAL = 40
#: Side of images in pixels, and how many there are; a training has 30 steps an epoch.
SIZE, COUNT = 64, 16


def run(quick: bool) -> list[Table]:
    """A training alone, beside a busy thread, and beside another like it; where `quick` alone, and no bare loop."""
    table = Table(
        "busy_machine",
        "Images a second of base training on all cores, beside other work on the same cores",
        (
            Column("beside", "beside"),
            Column("product", "images/s", ".1f"),
            Column("share", "of alone: %", ".0f"),
            Column("goal", "goal", ".0f"),
            Column("met", "met"),
            Column("bare", "a bare loop: images/s", ".1f"),
            Column("bare_share", "of alone: %", ".0f"),
        ),
        notes=[
            f"unet_resnet18_small at {SIZE} px, an epoch after the first; beside another training: the slower of two."
            " The bare loop has the same network, batch and precision, and PyTorch's own way of waiting."
        ],
        ratio="share",
        named_by=("beside",),
    )
    free = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    briefly = free | {"GOMP_SPINCOUNT": TURNS}  # as `kedro run` and `prn` set it
    alone: dict[str, float] = {}
    for beside in BESIDE[:1] if quick else BESIDE:
        found = {"product": _rate("product", beside, briefly)}
        if not quick:
            found["bare"] = _rate("alone", beside, free)
        row: Row = {"beside": beside, **found}
        if alone:
            share, bare_share = (100 * found[name] / alone[name] for name in found)
            row = goal(row | {"share": share, "bare_share": bare_share}, share, GOAL)
        alone = alone or found
        table.rows.append(row)
    return [table]


def _rate(of: str, beside: str, environment: Mapping[str, str]) -> float:
    with ExitStack() as ended:
        if beside == "a busy thread":
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            ended.callback(busy.wait)
            ended.callback(busy.kill)
        trainings = [
            started("base_training", SIZE, COUNT, environment) for _ in range(1 + (beside == "another training"))
        ]
        for training in trainings:
            ended.callback(training.kill)  # if the other one failed; it has ended otherwise
        return min(rates(training)[of] for training in trainings)
