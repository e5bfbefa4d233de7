"""What training, map caching, `prn refine` and the server reach of what their networks reach alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.report import Column, Row, Table, goal

CASES = ("base_training", "map_caching", "refine", "server")
GOAL = 90


@dataclass(frozen=True)
class Sizes:
    """Sides of images in pixels -> how many of them a case takes."""

    counts: tuple[tuple[int, int], ...] = ((256, 96), (512, 32))


QUICK = Sizes(counts=((64, 2),))


def run(quick: bool) -> list[Table]:
    """Every case at every size, each in a process of its own; the first alone where `quick`."""
    table = Table(
        "shares",
        "Images a second from store to store, or from file to file: share of what the networks reach alone",
        (
            Column("case", "case"),
            Column("size", "size", "d"),
            Column("product", "images/s", ".2f"),
            Column("alone", "networks alone", ".2f"),
            Column("share", "share: %", ".0f"),
            Column("goal", "goal", ".0f"),
            Column("met", "met"),
        ),
        notes=[
            "unet_resnet18_small, in refine and server with refiner prn; the networks alone: a bare loop over one batch"
            " in memory, in the same precision and form, for refine and server with the four flips of TTA.",
            "base_training: an epoch after the first, without validation. map_caching: with TTA over flips and scales."
            " refine: PNG in, PNG and overlays out. server: four clients at a time on the same cores.",
        ],
        ratio="share",
        named_by=("case", "size"),
    )
    for size, count in (QUICK if quick else Sizes()).counts:
        for case in CASES[:1] if quick else CASES:
            found = rates(started(case, size, count))
            share = 100 * found["product"] / found["alone"]
            row: Row = {"case": case, "size": size, "product": found["product"], "alone": found["alone"]}
            table.rows.append(goal(row | {"share": share}, share, GOAL))
    return [table]


def started(case: str, size: int, count: int, environment: Mapping[str, str] = os.environ) -> subprocess.Popen[str]:
    """A case in a process of its own, for `rates`, with these variables."""
    command = [sys.executable, "-m", "benchmarks.share_case", case, str(size), str(count), str(torch.get_num_threads())]
    paths = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        env={**environment, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rates(process: subprocess.Popen[str]) -> dict[str, float]:
    """What a started case prints: images a second of the "product", and of its networks "alone"."""
    printed, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}:\n{said}")
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found
