"""`python -m benchmarks.scale`: what a worker does in a second, alone and beside others, and what many would need."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from distributed import LocalCluster

from benchmarks.machine import describe, use_cores
from benchmarks.results_page import replace_mark
from benchmarks.stage_case import BASE_MODEL, CONF, REFINER, conf, without_training
from benchmarks.stage_inputs import open_stores, write_stores
from benchmarks.stored_runs import with_tta
from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, deferred_arrays, write_deferred_arrays
from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import EngineSettings
from prn_pipeline.data.store.array_store import write_arrays
from prn_pipeline.refinement.registry import build_refiner, read_settings
from prn_pipeline.segmentation.network_source import cached_maps
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.stages.evaluation.measuring import measure, refined_maps
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches
from prn_pipeline.training.tiling import Tiles

PAGE = CONF.parents[1] / "docs" / "scale.md"
MARK = "measured"
#: How many images there might be, and how many workers.
AMOUNTS = {"1 M": 10**6, "1 G": 10**9}
WORKERS = (1, 16, 256, 4096)
TASK_SHARDS = 1
GIB, TIB = 2**30, 2**40


def write(path: Path, make: Any, rows: int, engine: EngineSettings) -> None:
    """Write a store in this process, or by the workers of the engine."""
    arrays = deferred_arrays(engine, make, rows, {})
    write_deferred_arrays(path, arrays) if isinstance(arrays, DeferredArrays) else write_arrays(path, arrays)


def logit_caching(folder: Path, engine: EngineSettings) -> None:
    """From images to logits and tta, with random weights."""
    samples, _, maps = open_stores(folder)
    model = BaseModel(BaseModelSettings(**without_training(conf("base_models")[BASE_MODEL]))).eval()
    caching = conf("logit_caching")
    options = {"tiles": Tiles(), "tta_scales": caching["tta_scales"]}
    make = partial(cached_maps, samples, maps, {"base": model}, caching["batch_size"], caching["keep"], **options)
    write(folder / "made_maps.zarr", make, len(maps), engine)


def pseudo_labelling(folder: Path, engine: EngineSettings) -> None:
    """From logits and masks to pseudo-labels."""
    samples, _, maps = open_stores(folder)
    settings = conf("pseudo_labelling")
    make = partial(pseudo_label_batches, samples, maps, settings["patch_size"], settings["levels"])
    write(folder / "made_labels.zarr", make, len(maps), engine)


def refining(folder: Path, engine: EngineSettings) -> None:
    """From logits to PRN's logits, with random weights."""
    samples, _, _ = open_stores(folder)
    refiner = build_refiner(read_settings(with_tta(without_training(conf("refiners")[REFINER])))).eval()
    rows = samples.rows(["test"])
    make = partial(refined_maps, samples, rows, refiner, conf("evaluation")["batch_size"], Tiles())
    write(folder / "made_refined.zarr", make, len(rows), engine)


def counting(folder: Path, engine: EngineSettings) -> None:
    """A threshold tuned, and every method counted."""
    samples, refined, maps = open_stores(folder)
    with open_engine(engine) as workers:
        tuned = tune(samples, maps, conf("pseudo_labelling")["patch_size"], workers)
        measure(samples, refined, samples.rows(["test"]), tuned, engine=workers)


STAGES: dict[str, Callable[[Path, EngineSettings], None]] = {
    stage.__name__: stage for stage in (logit_caching, pseudo_labelling, refining, counting)
}


def engines(workers: int) -> Iterator[tuple[str, EngineSettings]]:
    """This process with one thread, then 1 .. `workers` processes with one thread each."""
    yield "local", EngineSettings()
    for number in range(1, workers + 1):
        with LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
            address = cluster.scheduler_address
            yield f"dask, {number}", EngineSettings(kind="dask", address=address, shards=TASK_SHARDS)


def measured(count: int, size: int, workers: int, folder: Path) -> dict[str, dict[str, float]]:
    """Engine -> stage -> images a second; every worker has worked before the clock starts."""
    rates: dict[str, dict[str, float]] = {}
    for name, settings in engines(workers):
        rates[name] = {}
        for stage, run in STAGES.items():
            run(folder / "warm_up", settings)
            start = time.perf_counter()
            run(folder / "stores", settings)
            rates[name][stage] = count / (time.perf_counter() - start)
            print(name, stage, f"{rates[name][stage]:.1f} images/s", flush=True)
    return rates


def bytes_an_image(folder: Path, count: int) -> dict[str, float]:
    """Store -> bytes."""
    names = {"samples": "samples", "logits and tta": "made_maps", "pseudo-labels": "made_labels"}
    return {
        shown: sum(file.stat().st_size for file in (folder / f"{name}.zarr").rglob("*") if file.is_file()) / count
        for shown, name in (names | {"refined": "made_refined"}).items()
    }


def duration(seconds: float) -> str:
    """In the unit that fits."""
    for unit, length in (("years", 365 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def section(rates: dict[str, dict[str, float]], stored: dict[str, float], count: int, size: int) -> str:
    """Markdown: what was measured, and what follows from it."""
    machine = describe()
    lines = [
        f"{count} images of {size} x {size}; {machine['cpu']}, {machine['cores']} cores, one thread a worker;"
        f" torch {machine['torch']}; {machine['date']}. Images a second:",
        "",
        "| engine | " + " | ".join(STAGES) + " |",
        "|---" * (1 + len(STAGES)) + "|",
        *(
            f"| {name} | " + " | ".join(f"{found[stage]:.1f}" for stage in STAGES) + " |"
            for name, found in rates.items()
        ),
        "",
        "Stored an image: " + ", ".join(f"{name} {size / 1000:.0f} kB" for name, size in stored.items()) + ".",
        "",
        "| images | storage | " + " | ".join(f"{number} workers" for number in WORKERS) + " |",
        "|---" * (2 + len(WORKERS)) + "|",
    ]
    each = sum(1 / rate for rate in rates["dask, 1"].values())  # seconds of one worker, all four stages
    for name, images in AMOUNTS.items():
        room = images * sum(stored.values())
        shown = f"{room / TIB:.1f} TiB" if room >= TIB else f"{room / GIB:.0f} GiB"
        lines.append(
            f"| {name} | {shown} | " + " | ".join(duration(images * each / number) for number in WORKERS) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and put the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2, help="measured are 1 up to so many")
    parser.add_argument("--no-page", action="store_true", help="print only")
    given = parser.parse_args()
    use_cores(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, count in (("warm_up", 64), ("stores", given.images)):
            (folder / kind).mkdir()
            write_stores(folder / kind, count, given.size)
        rates = measured(given.images, given.size, given.workers, folder)
        text = section(rates, bytes_an_image(folder / "stores", given.images), given.images, given.size)
    print(text)
    if not given.no_page:
        replace_mark(PAGE, MARK, text)
        print(PAGE)


if __name__ == "__main__":
    main()
