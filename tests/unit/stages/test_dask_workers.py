"""Stages on Dask workers give the same bytes and scores as one process, also if workers die."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from distributed import Client, LocalCluster

from prn_pipeline.comparison.method import Tuned
from prn_pipeline.data.execution.dask_engine import DaskEngine
from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, deferred_arrays, write_deferred_arrays
from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import LOCAL, EngineSettings, RowRange
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, Batch, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.registry import build_refiner, read_settings
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.segmentation.network_source import cached_maps
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.stages.evaluation.measuring import measure, refined_maps
from prn_pipeline.stages.evaluation.scoring import score_methods
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches
from prn_pipeline.training.tiling import Tiles

pytestmark = pytest.mark.usefixtures("forked_dask_workers")
LENGTH, SIDE = 72, 32  # two whole shards and a part of one
#: Seconds that a test waits for a process before it fails: enough for a busy machine.
TIMEOUT = 120


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, as workers have, because the sums of a convolution depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def cluster_of(workers: int, threads: int = 1) -> LocalCluster:
    return LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR
    )


def behind(cluster: LocalCluster, shards: int = 1) -> EngineSettings:
    return EngineSettings(kind="dask", address=cluster.scheduler_address, shards=shards, worker_timeout=TIMEOUT)


@pytest.fixture(scope="module")
def workers(forked_dask_workers: None) -> Iterator[EngineSettings]:
    """Two processes behind an address; a task computes one shard."""
    with cluster_of(2) as cluster:
        yield behind(cluster)


@pytest.fixture
def mortal_workers() -> Iterator[EngineSettings]:
    """Two processes of one test that kills them: on a busy machine Dask may give up starting them again."""
    with cluster_of(2) as cluster:
        yield behind(cluster)


def stored_samples(folder: Path, classes: int = 1) -> Samples:
    """Noise images with masks of squares or of class ids; half of them are test samples."""
    rng = np.random.default_rng(0)
    masks = np.repeat(np.repeat(rng.integers(0, max(2, classes), (LENGTH, 4, 4), np.uint8), 8, 1), 8, 2)
    images = np.clip(masks[..., None] * 90 + rng.integers(0, 80, (LENGTH, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    splits = ["train", "test", "val", "test"] * LENGTH
    table: dict[str, Any] = {"sample_id": [f"{i:03d}" for i in range(LENGTH)], "split": splits[:LENGTH], "fold": 0}
    manifest = pd.DataFrame(table)
    manifest.attrs[IDENTITY] = "noise"
    attributes: dict[str, Any] = {IDENTITY: "noise"} | ({CLASSES: classes} if classes > 1 else {})
    write_arrays(folder / "samples.zarr", ArrayStream([{"images": images, "masks": masks}], attributes))
    return Samples(manifest, {"samples": ArrayStore(folder / "samples.zarr")})


def contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def written(folder: Path, arrays: ArrayStream | DeferredArrays) -> Path:
    if isinstance(arrays, DeferredArrays):
        write_deferred_arrays(folder / "dask.zarr", arrays)
        return folder / "dask.zarr"
    write_arrays(folder / "local.zarr", arrays)
    return folder / "local.zarr"


@pytest.mark.parametrize("classes", [1, 3])
def test_maps_labels_and_scores_are_the_same_to_the_last_bit(
    tmp_path: Path, workers: EngineSettings, classes: int
) -> None:
    torch.manual_seed(0)
    samples = stored_samples(tmp_path, classes)
    of_maps = map_samples(samples.manifest, samples.stores)
    maps = assign_models(of_maps.manifest, "holdout", {})
    base = build_base_model(
        BaseModelSettings(architecture="unet", encoder="tu-mobilenetv3_small_050", classes=classes)
    ).eval()

    def both(name: str, make: Any, rows: int, maps_per_image: int) -> ArrayStore:
        folder = tmp_path / name
        local, dask = (
            written(folder, deferred_arrays(engine, make, rows, {IDENTITY: "noise"}, maps_per_image))
            for engine in (EngineSettings(), workers)
        )
        assert len(contents(local)) > 3
        assert contents(local) == contents(dask), name
        return ArrayStore(dask)

    keep = ["tta"] if classes == 1 else []
    cached = both("maps", partial(cached_maps, samples, maps, {"base": base}, 4, keep, Tiles()), len(maps), classes)
    stores = map_samples(samples.manifest, {**samples.stores, "logits": cached})
    both("labels", partial(pseudo_label_batches, stores, maps, 8, 20), len(maps), 1)
    rows = stores.rows(["test"])
    refiner = build_refiner(read_settings({"width": 4, "grid": 2, "residual": True})).eval()
    refined = both("refined", partial(refined_maps, stores, rows, refiner, 4, Tiles()), len(rows), classes)

    def evaluated(settings: EngineSettings) -> tuple[Tuned, pd.DataFrame, dict[str, Any]]:
        metrics = task_metrics("saliency" if classes == 1 else "multiclass", ["a", "b", "c"][:classes])
        with open_engine(settings) as engine:
            tuned = tune(stores, maps, 8, engine)
            measured = measure(stores, refined, rows, tuned, None, metrics, engine)
        return tuned, measured, score_methods(measured, tuned, 100, 0, metrics)

    local, dask = evaluated(EngineSettings()), evaluated(workers)
    assert dask[0] == local[0]
    assert bool(local[0].selected) == (classes == 1), "sizes of components are selected for foreground"
    pd.testing.assert_frame_equal(dask[1], local[1], check_exact=True)
    assert dask[2] == local[2]
    assert len(local[1]) > LENGTH * 2 / 3


def numbers(rows: np.ndarray) -> Iterator[Batch]:
    yield {"numbers": rows.astype(np.int64)[:, None]}


def numbers_or_death(deaths_folder: Path, deaths: int, rows: np.ndarray) -> Iterator[Batch]:
    """Kill the own process at row 40, the first `deaths` times."""
    if 40 in rows:
        died = len(list(deaths_folder.iterdir()))
        if died < deaths:
            (deaths_folder / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    yield from numbers(rows)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder in which workers write files for the test and for each other."""
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_another_worker_computes_the_rows_of_a_killed_one(
    tmp_path: Path, notes: Path, mortal_workers: EngineSettings
) -> None:
    plain = written(tmp_path, deferred_arrays(EngineSettings(), numbers, 200, {}))
    killed = written(tmp_path, deferred_arrays(mortal_workers, partial(numbers_or_death, notes, 1), 200, {}))
    assert len(list(notes.iterdir())) == 1, "one worker died"
    assert contents(killed) == contents(plain)


def test_rows_that_kill_every_worker_raise_one_error_and_keep_the_old_store(
    tmp_path: Path, notes: Path, mortal_workers: EngineSettings
) -> None:
    old = contents(written(tmp_path, deferred_arrays(mortal_workers, numbers, 10, {})))
    with pytest.raises(UserError, match=r"workers died with rows \d+ to \d+.*memory.*nothing was replaced"):
        written(tmp_path, deferred_arrays(mortal_workers, partial(numbers_or_death, notes, 99), 200, {}))
    assert contents(tmp_path / "dask.zarr") == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dask.zarr", "notes"]


def failing(error: type[Exception], rows: np.ndarray) -> Iterator[Batch]:
    yield from numbers(rows)
    if rows[0] > 40:
        raise error("the network gives NaN")


@pytest.mark.parametrize("error", [UserError, ValueError, OSError])
def test_an_error_on_a_worker_is_raised_in_the_main_process(
    tmp_path: Path, workers: EngineSettings, error: type[Exception]
) -> None:
    with pytest.raises(error, match="gives NaN"):
        written(tmp_path, deferred_arrays(workers, partial(failing, error), 200, {}))
    assert not list(tmp_path.iterdir())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def failing_beside_another(notes: Path, rows: np.ndarray) -> Iterator[Batch]:
    """Fail in the first rows as soon as the last rows have begun, which continue to write for a while."""
    if rows[0] == 0 and len(rows) > 1:
        wait_until((notes / "begun").exists)
        raise UserError("the network gives NaN")
    yield from numbers(rows[:32])
    if len(rows) > 1:
        (notes / "begun").touch()
        time.sleep(1)
        yield from numbers(rows[32:])
        (notes / "ended").touch()


def test_an_error_is_raised_after_all_workers_have_stopped_writing(tmp_path: Path, notes: Path) -> None:
    # Two threads of one worker always run the two ranges at once; Dask may give both to one of two workers.
    with cluster_of(1, threads=2) as cluster:
        settings = behind(cluster, shards=2)
        with pytest.raises(UserError, match="gives NaN"):
            written(tmp_path, deferred_arrays(settings, partial(failing_beside_another, notes), 128, {}))
    assert (notes / "ended").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def range_and_process(notes: Path, row_range: RowRange) -> tuple[RowRange, int]:
    """Return the range and the process id; the first range waits for one that another process computes."""
    process = str(os.getpid())
    if row_range[0] == 0:
        wait_until(lambda: any(note.name != process for note in notes.iterdir()))
    (notes / process).touch()
    return row_range, os.getpid()


def test_local_workers_need_no_address_and_return_results_in_order(notes: Path) -> None:
    with open_engine(EngineSettings(kind="dask", workers=2, shards=1)) as engine:
        row_ranges = engine.row_ranges(32 * 12)
        answers = list(engine.run(partial(range_and_process, notes), row_ranges))
    assert [row_range for row_range, _ in answers] == row_ranges == [(row, row + 32) for row in range(0, 384, 32)]
    processes = {process for _, process in answers}
    assert os.getpid() not in processes
    assert len(processes) == 2
    assert list(LOCAL.run(lambda row_range: row_range, row_ranges)) == row_ranges


def unchanged(row_range: RowRange) -> RowRange:
    return row_range


def test_few_row_ranges_are_submitted_at_a_time(workers: EngineSettings) -> None:
    taken: list[RowRange] = []

    def counted() -> Iterator[RowRange]:
        for row_range in ((row, row + 1) for row in range(100)):
            taken.append(row_range)
            yield row_range

    with open_engine(workers) as engine:
        answers = engine.run(unchanged, counted())
        next(answers)
        assert len(taken) < 10
        assert len(list(answers)) == 99


def test_an_address_without_a_scheduler_raises_one_error() -> None:
    settings = EngineSettings(kind="dask", address="tcp://127.0.0.1:9", worker_timeout=1)
    with (
        pytest.raises(UserError, match=r"no Dask scheduler at engine.address = tcp://127.0.0.1:9"),
        open_engine(settings),
    ):
        pass


def test_a_scheduler_without_workers_raises_one_error() -> None:
    with cluster_of(0) as cluster:
        settings = behind(cluster)
        short = settings.model_copy(update={"worker_timeout": 5})  # also the timeout of the connection
        with pytest.raises(UserError, match="has no worker after 5 s"), open_engine(short):
            pass
        cluster.scale(1)
        with open_engine(settings) as engine:
            assert next(engine.run(unchanged, [(1, 2)])) == (1, 2)
        with Client(cluster, timeout=TIMEOUT) as client:
            cluster.scale(0)
            wait_until(lambda: not client.nthreads())
            with pytest.raises(UserError, match="has had no worker for 5 s"):
                next(DaskEngine(client, short).run(unchanged, [(1, 2)]))
