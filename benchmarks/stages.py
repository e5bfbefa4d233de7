"""Pipeline stages from store to store: images a second, and how time and memory grow with the number of images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.report import Column, Row, Table
from benchmarks.stage_inputs import write_stores

STAGES = ("logit_caching", "pseudo_labelling", "refining", "evaluation")
#: Measured at the smallest count only: it streams exactly as logit_caching does, and is the slowest.
FEW_IMAGES = ("refining",)
#: Images before the clock starts: a shard, so that what is allocated once for a full batch is there.
WARM_UP_IMAGES = 32


@dataclass(frozen=True)
class Cases:
    """Counts at one size, sizes at one count, and the images of the warm-up."""

    counts: tuple[int, ...] = (64, 256, 1024)
    size: int = 256
    sizes: tuple[int, ...] = (128, 512)
    count: int = 64
    warm_up: int = WARM_UP_IMAGES

    def pairs(self) -> list[tuple[int, int]]:
        """(count, size) of every case."""
        return [(count, self.size) for count in self.counts] + [(self.count, size) for size in self.sizes]


QUICK = Cases(counts=(4,), size=64, sizes=(), warm_up=2)


def run(quick: bool) -> list[Table]:
    """Every stage on every case, each in a process of its own."""
    cases = QUICK if quick else Cases()
    stages = STAGES[1:2] if quick else STAGES
    table = Table(
        "stages",
        "Pipeline stages on a generated store, from store to store",
        (
            Column("stage", "stage"),
            Column("count", "images", "d"),
            Column("size", "size", "d"),
            Column("images_per_second", "images/s", ".1f"),
            Column("ms", "ms per image", ".2f"),
            Column("ms_per_megapixel", "ms a megapixel", ".0f"),
            Column("mib_peak", "peak memory: MiB", ".0f"),
            Column("mib_growth", "of it after the warm-up", ".0f"),
        ),
        notes=[
            "logit_caching: unet_resnet18_small; refining and evaluation: the halves of pipeline evaluation, with"
            f" refiner prn. One run each, after {cases.warm_up} images of warm-up.",
            "Flat ms per image and a flat peak as images grow mean linear time, and memory that no data set fills.",
        ],
    )
    measured: dict[tuple[str, int, int], Row] = {}
    with tempfile.TemporaryDirectory(prefix="prn-benchmarks-") as scratch:
        # By size, not by count: the scenes of one size are drawn once.
        for count, size in sorted(cases.pairs(), key=lambda pair: pair[1]):
            folder, warm_up = Path(scratch) / f"{count}-{size}", Path(scratch) / f"warm-up-{size}"
            write_stores(folder, count, size)
            write_stores(warm_up, cases.warm_up, size)
            for stage in stages:
                if stage in FEW_IMAGES and count > cases.count:
                    continue
                measured[stage, count, size] = _row(stage, count, size, folder, warm_up)
    order = ((stage, *pair) for stage in stages for pair in cases.pairs())
    table.rows.extend(measured[case] for case in order if case in measured)
    return [table]


def _row(stage: str, count: int, size: int, folder: Path, warm_up: Path) -> Row:
    command = [
        sys.executable,
        "-m",
        "benchmarks.stage_case",
        stage,
        str(folder),
        str(warm_up),
        str(torch.get_num_threads()),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}")
    found = json.loads(ended.stdout.splitlines()[-1])
    seconds = found["seconds"] / count
    row: Row = {"stage": stage, "count": count, "size": size, "seconds": found["seconds"]}
    row |= {"images_per_second": 1 / seconds, "ms": 1e3 * seconds, "ms_per_megapixel": 1e3 * seconds / (size**2 / 1e6)}
    return row | {"mib_peak": found["mib_peak"], "mib_growth": found["mib_peak"] - found["mib_before"]}
