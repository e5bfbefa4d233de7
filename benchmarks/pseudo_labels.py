"""Pseudo-labels: ours against the plain numpy loop, and against the speed of memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.example_maps import example_maps
from benchmarks.numpy_reference import LONGEST_SECONDS, time_and_compare
from benchmarks.peaks import copy_bandwidths
from benchmarks.report import Column, Row, Table, goal
from benchmarks.timing import measure
from prn_pipeline.refinement import patch_pseudo_labels


@dataclass(frozen=True)
class Cases:
    """What is measured.

    Attributes:
        size: side of a map in pixels.
        batch: maps in one call, as many as the pipeline's (one shard of a store).
        stream: maps in the call whose memory traffic is measured: far more than the cache holds.
        patch_sizes: sides of patches in pixels.
        settings: numbers of candidate thresholds (None: the exact optimum) and types of the maps.
        seconds: of each of our timings.
        longest: seconds that numpy may take for an image.
    """

    size: int = 512
    batch: int = 32
    stream: int = 256
    patch_sizes: tuple[int, ...] = (512, 256, 64, 16, 4)
    settings: tuple[tuple[int | None, str], ...] = (
        (20, "float32"),
        (20, "float16"),
        (255, "float32"),
        (None, "float32"),
    )
    seconds: float = 0.5
    longest: float = LONGEST_SECONDS


QUICK = Cases(
    size=32,
    batch=3,
    stream=8,
    patch_sizes=(32, 8),
    settings=((20, "float32"), (20, "float16"), (None, "float32")),
    seconds=0.0,
    longest=0.05,
)

#: Ratios to reach: at a patch size with 20 levels in float32, and for the exact optimum at any patch size.
GOALS = {64: 100, 16: 400}
EXACT_GOAL = 20
STREAM_PATCH = 64
BANDWIDTH_GOAL = 40


def run(quick: bool) -> list[Table]:
    """Time every case and check that ours equals numpy's wherever numpy computed it."""
    cases = QUICK if quick else Cases()
    return [against_numpy(cases), against_memory(cases, quick)]


def against_numpy(cases: Cases) -> Table:
    """Milliseconds an image of both, and their ratio."""
    table = Table(
        "against_numpy",
        f"Pseudo-labels, {cases.size} x {cases.size}: ours against a numpy loop over patches and thresholds",
        (
            Column("patch_size", "patch", "d"),
            Column("levels", "levels"),
            Column("dtype", "maps"),
            Column("ours_ms", f"ours, batch of {cases.batch}: ms per image", ".3f"),
            Column("ours_median_ms", "median", ".3f"),
            Column("ours_one_ms", "one image: ms", ".3f"),
            Column("numpy_ms", "numpy: ms per image", ".1f"),
            Column("ratio", "ratio", ".0f"),
            Column("ratio_one", "ratio, one image", ".0f"),
            Column("ratio_careful", "ratio to count_nonzero", ".0f"),
            Column("goal", "goal", ".0f"),
            Column("met", "met"),
            Column("numpy_computed", "numpy computed"),
        ),
        notes=[
            "Fastest of the repeats; ratio and goal are of the batch. Labels, thresholds and IoU were equal.",
            "numpy counts pixels by .sum(), as one writes it; count_nonzero is its fastest way, given for 20 levels.",
        ],
        ratio="ratio",
        named_by=("patch_size", "levels", "dtype"),
    )
    maps, masks = example_maps(cases.batch, cases.size)
    for patch_size, (levels, dtype) in product(cases.patch_sizes, cases.settings):
        table.rows.append(_row(cases, maps.astype(dtype), masks, patch_size, levels))
    return table


def _row(cases: Cases, maps: np.ndarray, masks: np.ndarray, patch_size: int, levels: int | None) -> Row:
    batch = measure(lambda: patch_pseudo_labels(maps, masks, patch_size, levels), cases.seconds)
    one = measure(lambda: patch_pseudo_labels(maps[:1], masks[:1], patch_size, levels), cases.seconds)
    found = patch_pseudo_labels(maps, masks, patch_size, levels)
    plain = time_and_compare(maps[0], masks[0], patch_size, levels, found, cases.longest)
    ours = batch.best / cases.batch
    row: Row = {
        "patch_size": patch_size,
        "levels": "exact" if levels is None else str(levels),
        "dtype": maps.dtype.name,
        "ours_ms": 1e3 * ours,
        "ours_median_ms": 1e3 * batch.median / cases.batch,
        "ours_one_ms": 1e3 * one.best,
        "repeats": batch.repeats,
        "numpy_ms": 1e3 * plain.seconds,
        "numpy_computed": plain.computed,
        "ratio": plain.seconds / ours,
        "ratio_one": plain.seconds / one.best,
        "equal": True,
    }
    if levels == 20:
        careful = time_and_compare(maps[0], masks[0], patch_size, levels, found, cases.longest, np.count_nonzero)
        row["ratio_careful"] = careful.seconds / ours
    if levels is None:
        return goal(row, row["ratio"], EXACT_GOAL)
    if levels == 20 and maps.dtype == np.float32 and patch_size in GOALS:
        return goal(row, row["ratio"], GOALS[patch_size])
    return row


def against_memory(cases: Cases, quick: bool) -> Table:
    """Bytes that must move, map and mask in and labels out, over the time, over the bandwidth of a plain copy."""
    copies = copy_bandwidths(quick)
    fastest = max(copies, key=lambda name: copies[name])
    table = Table(
        "against_memory",
        f"Pseudo-labels of {cases.stream} maps, patch {STREAM_PATCH}, 20 levels: share of the bandwidth of a copy",
        (
            Column("dtype", "maps"),
            Column("ms", "ms per image", ".3f"),
            Column("gb_per_second", "GB/s", ".1f"),
            Column("copy_gb_per_second", "copy GB/s", ".1f"),
            Column("percent", "% of copy", ".0f"),
            Column("goal", "goal", ".0f"),
            Column("met", "met"),
        ),
        notes=[
            f"Copy, bytes read and written: {', '.join(f'{n} {r / 1e9:.1f} GB/s' for n, r in copies.items())};"
            f" {fastest}'s is the measure."
        ],
        ratio="percent",
        named_by=("dtype",),
    )
    maps, masks = example_maps(min(cases.batch, cases.stream), cases.size)
    times = -(-cases.stream // len(maps))
    for dtype in ("float32", "float16"):
        many = np.tile(maps.astype(dtype), (times, 1, 1))[: cases.stream]
        truth = np.tile(masks, (times, 1, 1))[: cases.stream]
        taken = measure(lambda m=many, t=truth: patch_pseudo_labels(m, t, STREAM_PATCH), cases.seconds).best  # type: ignore[misc]
        rate = (many.nbytes + 2 * truth.nbytes) / taken
        row: Row = {"dtype": dtype, "ms": 1e3 * taken / cases.stream, "gb_per_second": rate / 1e9}
        row |= {"copy_gb_per_second": copies[fastest] / 1e9, "percent": 100 * rate / copies[fastest]}
        table.rows.append(goal(row, row["percent"], BANDWIDTH_GOAL))
    return table
