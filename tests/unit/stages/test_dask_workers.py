"""Stages by Dask's workers: the same bytes and scores as by one process, also when workers die."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from distributed import LocalCluster

from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, made_by, write_parts
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
from prn_pipeline.stages.evaluation.measuring import measure, refined_maps, tune_thresholds
from prn_pipeline.stages.evaluation.scoring import score_methods
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches
from prn_pipeline.training.tiling import Tiles

LENGTH, SIDE = 150, 32


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As workers have: the sums of a convolution depend on how many threads share it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def workers() -> Iterator[EngineSettings]:
    """Two processes behind an address; a task makes one shard."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        yield EngineSettings(kind="dask", address=cluster.scheduler_address, shards=1)


def stored_samples(folder: Path, classes: int = 1) -> Samples:
    """Images of noise, masks of squares or of class ids; half of them test."""
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
    store = folder / ("plain.zarr" if isinstance(arrays, ArrayStream) else "parts.zarr")
    write_arrays(store, arrays) if isinstance(arrays, ArrayStream) else write_parts(store, arrays)
    return store


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

    def both(name: str, make: Any, rows: int, together: int) -> ArrayStore:
        folder = tmp_path / name
        plain, parts = (
            written(folder, made_by(engine, make, rows, {IDENTITY: "noise"}, together))
            for engine in (EngineSettings(), workers)
        )
        assert len(contents(plain)) > 3
        assert contents(plain) == contents(parts), name
        return ArrayStore(parts)

    keep = ["tta"] if classes == 1 else []
    cached = both("maps", partial(cached_maps, samples, maps, {"base": base}, 4, keep, Tiles()), len(maps), classes)
    stores = map_samples(samples.manifest, {**samples.stores, "logits": cached})
    both("labels", partial(pseudo_label_batches, stores, maps, 8, 20), len(maps), 1)
    rows = stores.rows(["test"])
    refiner = build_refiner(read_settings({"width": 4, "grid": 2, "residual": True})).eval()
    refined = both("refined", partial(refined_maps, stores, rows, refiner, 4, Tiles()), len(rows), classes)

    def evaluated(settings: EngineSettings) -> tuple[list[float], pd.DataFrame, dict[str, Any]]:
        besides = task_metrics("saliency" if classes == 1 else "multiclass", ["a", "b", "c"][:classes])
        with open_engine(settings) as engine:
            thresholds = tune_thresholds(stores, maps, engine)
            measured = measure(stores, refined, rows, thresholds, 8, None, besides, engine)
        return thresholds, measured, score_methods(measured, 100, 0, besides)

    plain, parts = evaluated(EngineSettings()), evaluated(workers)
    assert parts[0] == plain[0]
    pd.testing.assert_frame_equal(parts[1], plain[1], check_exact=True)
    assert parts[2] == plain[2]
    assert len(plain[1]) > 100


def numbers(rows: np.ndarray) -> Iterator[Batch]:
    yield {"numbers": rows.astype(np.int64)[:, None]}


def numbers_or_death(note: Path, deaths: int, rows: np.ndarray) -> Iterator[Batch]:
    """Kills its own process as it makes row 40, so many times."""
    if 40 in rows:
        died = len(list(note.iterdir()))
        if died < deaths:
            (note / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    yield from numbers(rows)


def test_a_part_whose_worker_is_killed_is_made_by_another(tmp_path: Path, workers: EngineSettings) -> None:
    note = tmp_path / "note"
    note.mkdir()
    plain = written(tmp_path, made_by(EngineSettings(), numbers, 200, {}))
    killed = written(tmp_path, made_by(workers, partial(numbers_or_death, note, 1), 200, {}))
    assert len(list(note.iterdir())) == 1, "a worker did die"
    assert contents(killed) == contents(plain)


def test_a_part_that_kills_every_worker_is_one_error_and_leaves_the_old_store(
    tmp_path: Path, workers: EngineSettings
) -> None:
    note = tmp_path / "note"
    note.mkdir()
    old = contents(written(tmp_path, made_by(workers, numbers, 10, {})))
    with pytest.raises(UserError, match=r"workers died that had rows \d+ to \d+ to do.*memory.*nothing was replaced"):
        written(tmp_path, made_by(workers, partial(numbers_or_death, note, 99), 200, {}))
    assert contents(tmp_path / "parts.zarr") == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note", "parts.zarr"]


def failing(rows: np.ndarray) -> Iterator[Batch]:
    yield from numbers(rows)
    if rows[0] > 40:
        raise UserError("the network gives NaN")


def test_what_a_part_raises_is_raised_here(tmp_path: Path, workers: EngineSettings) -> None:
    with pytest.raises(UserError, match="gives NaN"):
        written(tmp_path, made_by(workers, failing, 200, {}))
    assert not list(tmp_path.iterdir())


def slow_first(part: RowRange) -> tuple[RowRange, int]:
    time.sleep(0.3 if part[0] == 0 else 0)
    return part, os.getpid()


def test_workers_of_this_machine_need_no_address_and_answer_in_order() -> None:
    with open_engine(EngineSettings(kind="dask", workers=2, shards=1)) as engine:
        parts = engine.parts(32 * 12)
        answers = list(engine.run(slow_first, parts))
    assert [part for part, _ in answers] == parts == [(row, row + 32) for row in range(0, 384, 32)]
    processes = {process for _, process in answers}
    assert os.getpid() not in processes
    assert len(processes) == 2
    assert list(LOCAL.run(lambda part: part, parts)) == parts


def test_few_parts_are_under_way_at_a_time(workers: EngineSettings) -> None:
    taken: list[RowRange] = []

    def counted() -> Iterator[RowRange]:
        for part in ((row, row + 1) for row in range(100)):
            taken.append(part)
            yield part

    with open_engine(workers) as engine:
        answers = engine.run(slow_first, counted())
        next(answers)
        assert len(taken) < 10
        assert len(list(answers)) == 99


def test_an_address_where_nobody_answers_is_one_error() -> None:
    settings = EngineSettings(kind="dask", address="tcp://127.0.0.1:9", worker_timeout=1)
    with (
        pytest.raises(UserError, match=r"no Dask scheduler at engine.address = tcp://127.0.0.1:9"),
        open_engine(settings),
    ):
        pass


def test_a_scheduler_without_workers_is_one_error() -> None:
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster:
        settings = EngineSettings(kind="dask", address=cluster.scheduler_address, worker_timeout=1)
        later = settings.model_copy(update={"worker_timeout": 30})
        with pytest.raises(UserError, match="has no worker"), open_engine(settings):
            pass
        cluster.scale(1)
        with open_engine(later) as engine:
            assert next(engine.run(slow_first, [(1, 2)]))[0] == (1, 2)
        with open_engine(settings) as engine:
            answers = engine.run(_sleep, [(1, 2)])
            cluster.scale(0)
            with pytest.raises(UserError, match="no worker has answered"):
                next(answers)


def _sleep(part: RowRange) -> None:
    time.sleep(8)
