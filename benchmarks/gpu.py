"""PatchRefineNet and pseudo-labels on a GPU: images a second, share of the bf16 peak, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.example_maps import example_maps
from benchmarks.prn_workload import (
    Workload,
    compiled,
    inference_form,
    inference_step,
    operations,
    training_step,
    workload,
)
from benchmarks.report import Column, Row, Table
from benchmarks.timing import measure
from prn_pipeline.refinement import patch_pseudo_labels

NO_GPU = "no GPU on this machine"


@dataclass(frozen=True)
class Cases:
    """Width, sizes and batch of the network; side of the square matrices whose product is the peak."""

    width: int = 32
    sizes: tuple[int, ...] = (256, 512)
    batch: int = 8
    matrix: int = 8192
    label_batch: int = 256
    patch_sizes: tuple[int, ...] = (512, 64, 16)
    seconds: float = 1.0


QUICK = Cases(width=4, sizes=(64,), batch=2, matrix=256, label_batch=4, patch_sizes=(64, 16), seconds=0.0)


def run(quick: bool, compile_too: bool) -> list[Table]:
    """Network and pseudo-labels on the first GPU; a table that says so where there is none."""
    cases = QUICK if quick else Cases()
    if not torch.cuda.is_available():
        table = _network_table(cases)
        table.rows.append({"what": NO_GPU})
        return [table]
    device = torch.device("cuda")
    return [network(cases, device, compile_too), pseudo_labels(cases, device)]


def _network_table(cases: Cases, *notes: str) -> Table:
    return Table(
        "network",
        f"PRN on a GPU, width {cases.width}, grid 8, batch {cases.batch}",
        (
            Column("what", "what"),
            Column("form", "form"),
            Column("size", "size", "d"),
            Column("images_per_second", "images/s", ".1f"),
            Column("percent_of_peak", "% of the bf16 peak", ".0f"),
            Column("mib_an_image", "peak memory: MiB an image", ".0f"),
        ),
        notes=list(notes),
    )


def _labels_table(note: str) -> Table:
    columns = (
        Column("patch_size", "patch", "d"),
        Column("levels", "levels"),
        Column("images_per_second", "images/s", ".0f"),
        Column("equal", "equal to the CPU's"),
    )
    return Table("pseudo_labels", "Pseudo-labels on a GPU, 512 x 512, float32", columns, notes=[note])


def network(cases: Cases, device: torch.device, compile_too: bool) -> Table:
    """Inference eagerly, as a captured CUDA graph, and compiled; training steps eagerly and compiled."""
    peak = matrix_peak(cases, device)
    table = _network_table(
        cases,
        f"Peak: {peak / 1e12:.0f} TFLOP/s, a bf16 product of matrices of side {cases.matrix}, measured here."
        " Memory is what a step allocates beyond weights and inputs.",
    )
    for size in cases.sizes:
        work = workload(cases.width, size, device, cases.batch)
        trained = training_step(work.network, work)
        table.rows.append(_row("training step", "eager", cases, work, trained, peak))
        if compile_too:
            step: Callable[[], object] = training_step(compiled(work.network), work)
            table.rows.append(_row("training step", "compiled", cases, work, step, peak))
        form = inference_form(work.network)
        inferred = inference_step(form, work)
        table.rows.append(_row("inference", "eager", cases, work, inferred, peak))
        table.rows.append(_row("inference", "CUDA graph", cases, work, captured(inferred), peak))
        if compile_too:
            for name, mode in (("compiled", "default"), ("compiled, CUDA graphs", "reduce-overhead")):
                torch.compiler.reset()
                step = inference_step(compiled(form, mode), work)
                table.rows.append(_row("inference", name, cases, work, step, peak))
        torch.compiler.reset()
    return table


def _row(what: str, form: str, cases: Cases, work: Workload, step: Callable[[], object], peak: float) -> Row:
    for _ in range(3):  # compiles, chooses algorithms and records graphs before memory is looked at
        step()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    # A captured graph replays in memory of its own, which was allocated at capture: no number then.
    memory = None if "graph" in form.lower() else (torch.cuda.max_memory_allocated() - held) / 2**20 / len(work.maps)
    taken = measure(step, cases.seconds, 3, torch.cuda.synchronize).best
    rate = operations(work, training=what != "inference") / taken
    row: Row = {"what": what, "form": form, "size": work.maps.shape[-1], "images_per_second": len(work.maps) / taken}
    return row | {"percent_of_peak": 100 * rate / peak, "mib_an_image": memory}


def captured(step: Callable[[], object]) -> Callable[[], None]:
    """The step as one CUDA graph that is replayed over the same inputs."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # a capture needs libraries and workspaces to be set up beforehand
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def matrix_peak(cases: Cases, device: torch.device) -> float:
    """Operations a second of a bf16 matrix product."""
    a, b = (torch.randn(cases.matrix, cases.matrix, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * cases.matrix**3 / measure(lambda: a @ b, cases.seconds, 5, torch.cuda.synchronize).best


def pseudo_labels(cases: Cases, device: torch.device) -> Table:
    """Maps that are on the GPU already, labels left there; compared with the CPU's on a few images."""
    table = _labels_table(f"Batch of {cases.label_batch}, maps and labels stay on the GPU.")
    few, truth = (torch.from_numpy(array) for array in example_maps(min(16, cases.label_batch), 512))
    times = -(-cases.label_batch // len(few))
    maps, masks = (x.to(device).repeat(times, 1, 1)[: cases.label_batch] for x in (few, truth))
    for patch_size in cases.patch_sizes:
        for levels in (20, None):
            found = patch_pseudo_labels(maps[: len(few)], masks[: len(few)], patch_size, levels)
            expected = patch_pseudo_labels(few, truth, patch_size, levels)
            if not all(torch.equal(a.cpu(), b) for a, b in zip(found, expected, strict=True)):
                raise AssertionError(f"pseudo-labels of {patch_size} px, levels={levels}: GPU and CPU differ")

            def step(p: int = patch_size, k: int | None = levels) -> object:
                return patch_pseudo_labels(maps, masks, p, k)

            taken = measure(step, cases.seconds, 3, torch.cuda.synchronize).best
            row: Row = {"patch_size": patch_size, "levels": "exact" if levels is None else str(levels)}
            table.rows.append(row | {"images_per_second": cases.label_batch / taken, "equal": True})
    return table
