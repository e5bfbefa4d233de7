"""PatchRefineNet on the CPU: ours as the pipeline runs it, against the plain loop in float32; and by width and size."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from itertools import product

import torch

from benchmarks.agreement import gradient_error, relative_error
from benchmarks.looped_network import LoopedNetwork
from benchmarks.machine import cpu_features
from benchmarks.peaks import convolution_peak
from benchmarks.prn_workload import compiled, inference_form, inference_step, operations, training_step, workload
from benchmarks.report import Column, Row, Table, goal
from benchmarks.timing import Timing, measure
from prn_pipeline.training.precision import multiplies_bf16

CPU = torch.device("cpu")
INFERENCE_GOAL, TRAINING_GOAL = 6, 5
#: How far ours may be from the loop: root mean square of the difference over that of the logits, in eval mode.
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}
GRADIENT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Cases:
    """Width and size of the comparison, widths and sizes of the table, size of the gradient check, seconds a timing."""

    width: int = 32
    size: int = 512
    widths: tuple[int, ...] = (16, 32, 64)
    sizes: tuple[int, ...] = (128, 256, 512)
    gradient_size: int = 128
    seconds: float = 2.0
    least: int = 2


QUICK = Cases(width=4, size=64, widths=(4,), sizes=(64,), gradient_size=64, seconds=0.0, least=1)


def run(quick: bool, compile_too: bool, ratios_only: bool = False) -> list[Table]:
    """Compare; unless only ratios are wanted, also scale and compile."""
    cases = QUICK if quick else Cases()
    if ratios_only:
        return [against_loop(cases)]
    tables = [against_loop(cases), by_width_and_size(cases, quick)]
    return [*tables, through_inductor(cases)] if compile_too else tables


def against_loop(cases: Cases) -> Table:
    """Inference and a training step, batch 1."""
    table = Table(
        "against_loop",
        f"PRN, width {cases.width}, grid 8, {cases.size} x {cases.size}, batch 1: ours against fp32, one cell a call",
        (
            Column("what", "what"),
            Column("precision", "ours in"),
            Column("ours_ms", "ours: ms", ".0f"),
            Column("ours_median_ms", "median", ".0f"),
            Column("loop_ms", "loop: ms", ".0f"),
            Column("ratio", "ratio", ".1f"),
            Column("goal", "goal", ".0f"),
            Column("met", "met"),
            Column("error", "difference", ".1e"),
            Column("tolerance", "allowed", ".1e"),
        ),
        notes=[
            f"This machine has {', '.join(cpu_features()) or 'no vector extensions'}; the goals were set on AMX.",
            "Difference of inference: root mean square over that of the logits (of the worse branch); of training:"
            f" norm of the difference of all gradients over their norm, float32, at {cases.gradient_size} px with batch"
            " norm in eval mode, because a loop that trains normalises each cell alone.",
        ],
        ratio="ratio",
        named_by=("what",),
    )
    work = workload(cases.width, cases.size, CPU)
    looped = LoopedNetwork(work.network)
    # The loop runs first: what the pipeline asks of the memory allocator stays in force for the whole process.
    plain = [
        measure(step, cases.seconds, cases.least)
        for step in (inference_step(looped, work, fp32=True), training_step(looped, work, fp32=True))
    ]
    with torch.inference_mode():
        expected = looped.eval()(work.maps)
    check = workload(cases.width, cases.gradient_size, CPU)
    gradients = gradient_error(check.network, LoopedNetwork(check.network), check)
    ours = inference_form(work.network)
    precision = "bfloat16" if multiplies_bf16(CPU) else "float32"
    found = inference_step(ours, work)()
    error = max(relative_error(a, b) for a, b in zip(found, expected, strict=True) if a is not None and b is not None)
    inferred = measure(inference_step(ours, work), cases.seconds, cases.least)
    trained = measure(training_step(work.network, work), cases.seconds, cases.least)
    table.rows.append(_ratio("inference", precision, inferred, plain[0], error, TOLERANCE[precision], INFERENCE_GOAL))
    table.rows.append(
        _ratio("training step", precision, trained, plain[1], gradients, GRADIENT_TOLERANCE, TRAINING_GOAL)
    )
    return table


def _ratio(what: str, precision: str, ours: Timing, loop: Timing, error: float, allowed: float, least: int) -> Row:
    if not error <= allowed:
        raise AssertionError(f"PRN {what}: ours and the loop differ by {error:.2e}, more than {allowed:.0e}")
    row: Row = {"what": what, "precision": precision, "ours_ms": 1e3 * ours.best, "ours_median_ms": 1e3 * ours.median}
    row |= {"loop_ms": 1e3 * loop.best, "ratio": loop.best / ours.best, "error": error, "tolerance": allowed}
    return goal(row, row["ratio"], least)


def by_width_and_size(cases: Cases, quick: bool) -> Table:
    """Milliseconds, arithmetic, and share of the convolution peaks of this machine."""
    peaks = {str(kind): convolution_peak(kind, quick) for kind in (torch.bfloat16, torch.float32)}
    used = peaks["torch.bfloat16" if multiplies_bf16(CPU) else "torch.float32"]
    table = Table(
        "by_width_and_size",
        "PRN as the pipeline runs it, grid 8, batch 1, by width and size",
        (
            Column("what", "what"),
            Column("width", "width", "d"),
            Column("size", "size", "d"),
            Column("ms", "ms per image", ".1f"),
            Column("gflop", "GFLOP", ".1f"),
            Column("gflop_per_second", "GFLOP/s", ".0f"),
            Column("percent_of_peak", "% of the peak of its precision", ".0f"),
            Column("percent_of_fp32_peak", "% of the fp32 peak", ".0f"),
        ),
        notes=[
            f"Peak of one 3x3 channels-last convolution here: bf16 {peaks['torch.bfloat16'] / 1e9:.0f}, fp32"
            f" {peaks['torch.float32'] / 1e9:.0f} GFLOP/s. GFLOP counts convolutions as they are run (torch's counter)."
        ],
    )
    for training, width, size in product((False, True), cases.widths, cases.sizes):
        work = workload(width, size, CPU)
        step = training_step(work.network, work) if training else inference_step(inference_form(work.network), work)
        seconds = measure(step, cases.seconds / 2, 1).best
        rate = operations(work, training) / seconds
        row: Row = {"what": "training step" if training else "inference", "width": width, "size": size}
        row |= {"ms": 1e3 * seconds, "gflop": rate * seconds / 1e9, "gflop_per_second": rate / 1e9}
        row |= {"percent_of_peak": 100 * rate / used, "percent_of_fp32_peak": 100 * rate / peaks["torch.float32"]}
        table.rows.append(row)
    return table


def through_inductor(cases: Cases) -> Table:
    """Inference through torch.compile (inductor), where there is a C++ compiler for it."""
    table = Table(
        "compiled",
        f"PRN inference through torch.compile, width {cases.width}, {cases.size} x {cases.size}, batch 1",
        (
            Column("form", "form"),
            Column("compile_seconds", "compiling: s", ".0f"),
            Column("ms", "ms per image", ".0f"),
        ),
    )
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        table.notes.append("no C++ compiler on this machine: inductor cannot run")
        return table
    work = workload(cases.width, cases.size, CPU)
    form = inference_form(work.network)
    eager = measure(inference_step(form, work), cases.seconds, cases.least).best
    step = inference_step(compiled(form), work)
    start = time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    inductor = measure(step, cases.seconds, cases.least).best
    table.rows.append({"form": "eager", "ms": 1e3 * eager})
    table.rows.append({"form": "inductor", "compile_seconds": seconds, "ms": 1e3 * inductor})
    return table
