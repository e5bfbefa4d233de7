"""Artefacts in a bucket are those in local files, and are written atomically."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from kedro.io import DatasetError
from upath import UPath

from prn_pipeline.data.execution.deferred_arrays import deferred_arrays
from prn_pipeline.data.execution.settings import EngineSettings
from prn_pipeline.data.store.array_store import SHARD_ROWS, ArrayStore, ArrayStream, Batch, write_arrays
from prn_pipeline.data.store.locations import location
from prn_pipeline.errors import UserError
from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import FiguresDataset, JsonDataset, TableDataset, TextDataset
from prn_pipeline.io.modules import ModuleDataset, ModuleFolderDataset
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings

ROWS = SHARD_ROWS + 9
MAPS = np.random.default_rng(0).random((ROWS, 6, 5)).astype(np.float16)


def refiner() -> PaperRefiner:
    return PaperRefiner(PatchRefineNetSettings(width=4, grid=2, residual=True)).eval()


def objects(url: str) -> dict[str, bytes]:
    """All objects below a URL, by their paths relative to it."""
    storage = fsspec.filesystem("s3", use_listings_cache=False)
    root = url.removeprefix("s3://")
    return {path.removeprefix(f"{root}/"): storage.cat_file(path) for path in storage.find(root)}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TableDataset, "t.parquet", pd.DataFrame({"sample_id": ["007", "b"], "gain": [0.25, float("nan")]})),
        (TableDataset, "t.csv", pd.DataFrame({"sample_id": ["a", "b"], "gain": [0.25, float("nan")]})),
        (JsonDataset, "s.json", {"a": [1, 2.5], "b": None}),
        (TextDataset, "r.html", "<p>größer</p>"),
        (FiguresDataset, "figures", {"one": b"\x89PNG", "two": b"\x89PNG2"}),
    ],
)
def test_saved_artefacts_are_loaded_again(bucket: str, kind: Callable[..., Any], name: str, value: Any) -> None:
    dataset = kind(filepath=f"{bucket}/some/folder/{name}")
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=rf"{name}.*run the pipeline"):
        dataset.load()
    dataset.save(value)
    assert dataset.exists()
    loaded = dataset.load()
    assert loaded.equals(value) if isinstance(value, pd.DataFrame) else loaded == value


def test_a_table_keeps_its_identity(bucket: str) -> None:
    table = pd.DataFrame({"a": [1]})
    table.attrs["samples"] = "abc"
    TableDataset(filepath=f"{bucket}/t.parquet").save(table)
    assert TableDataset(filepath=f"{bucket}/t.parquet").load().attrs == {"samples": "abc"}


def test_modules_are_loaded_again(bucket: str) -> None:
    module, logits = refiner(), torch.randn(1, 1, 32, 32)
    one = ModuleDataset(
        filepath=f"{bucket}/refiner.safetensors", rebuild="prn_pipeline.refinement.registry:rebuild_refiner"
    )
    one.save(module)
    assert torch.equal(one.load()(logits), module(logits))
    folder = ModuleFolderDataset(filepath=f"{bucket}/folds", rebuild="prn_pipeline.refinement.registry:rebuild_refiner")
    with pytest.raises(DatasetError, match="run the pipeline base_training"):
        folder.load()
    folder.save({"fold-0": module, "fold-1": module})
    assert sorted(folder.load()) == ["fold-0", "fold-1"]
    folder.save({})
    assert folder.load() == {}


def test_an_incomplete_folder_is_not_an_artefact(bucket: str) -> None:
    figures = FiguresDataset(filepath=f"{bucket}/figures")
    figures.save({"old": b"1"})
    figures.save({"new": b"2"})
    assert figures.load() == {"new": b"2"}
    fsspec.filesystem("s3").rm_file(f"{bucket}/figures/_SUCCESS")
    assert not figures.exists()
    with pytest.raises(DatasetError, match="run the pipeline"):
        figures.load()


def batches(length: int = ROWS) -> Iterator[Batch]:
    for start in range(0, length, 10):
        yield {"maps": MAPS[start : min(start + 10, length)]}


def test_array_stores_have_the_same_bytes_as_local_ones(bucket: str, tmp_path: Path) -> None:
    dataset = ArrayStoreDataset(filepath=f"{bucket}/s.zarr")
    assert not dataset.exists()
    dataset.save(ArrayStream(batches(), {"made_by": "test"}))
    store = dataset.load()
    assert (store.read("maps", slice(None)) == MAPS).all()
    assert (store.read("maps", [5, 40, 2]) == MAPS[[5, 40, 2]]).all()
    assert store.attributes == {"made_by": "test"}
    write_arrays(tmp_path / "s.zarr", ArrayStream(batches(), {"made_by": "test"}))
    files = [file for file in (tmp_path / "s.zarr").rglob("*") if file.is_file()]
    assert objects(f"{bucket}/s.zarr") == {
        file.relative_to(tmp_path / "s.zarr").as_posix(): file.read_bytes() for file in files
    }


def test_a_missing_or_changed_object_of_an_array_store_is_refused(bucket: str) -> None:
    storage = fsspec.filesystem("s3", use_listings_cache=False)
    url, lost = f"{bucket}/data/02_intermediate/drive/samples.zarr", "maps/c/1/0/0"
    ArrayStoreDataset(filepath=url).save(ArrayStream(batches()))
    store, content = ArrayStore(location(url)), objects(url)[lost]
    storage.rm_file(f"{url}/{lost}")
    remedy = "run the pipeline ingestion again: kedro run --pipelines ingestion --params dataset=drive"
    with pytest.raises(UserError, match=rf"{lost} is missing.*{remedy}"):
        ArrayStore(location(url))
    with pytest.raises(UserError, match=rf"{lost} is missing.*{remedy}"):
        store.read("maps", slice(None))
    storage.pipe_file(f"{url}/{lost}", bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(UserError, match=rf"checksum.*{remedy}"):
        ArrayStore(location(url)).read("maps", slice(None))


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_changed_table_is_refused(bucket: str, name: str) -> None:
    storage = fsspec.filesystem("s3", use_listings_cache=False)
    dataset = TableDataset(filepath=f"{bucket}/{name}")
    dataset.save(pd.DataFrame({"sample_id": ["a"], "gain": [0.25]}))
    content = storage.cat_file(f"{bucket}/{name}")
    storage.pipe_file(f"{bucket}/{name}", content.replace(b"a", b"b", 1))
    with pytest.raises(DatasetError, match=rf"{name} is damaged.*run the pipeline"):
        dataset.load()


def test_a_smaller_store_leaves_nothing_of_a_larger_one(bucket: str) -> None:
    dataset = ArrayStoreDataset(filepath=f"{bucket}/s.zarr")
    dataset.save(ArrayStream([{"maps": MAPS, "labels": MAPS}]))
    dataset.save(ArrayStream(batches(4)))
    assert dataset.load().shape("maps") == (4, 6, 5)
    assert sorted(objects(f"{bucket}/s.zarr")) == ["maps/c/0/0/0", "maps/zarr.json", "zarr.json"]


def test_a_failed_write_leaves_nothing(bucket: str) -> None:
    def breaking() -> Iterator[Batch]:
        yield {"maps": MAPS}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrays(location(f"{bucket}/s.zarr"), ArrayStream(breaking()))
    assert objects(bucket) == {}


KILLED = """
import os, signal, sys
import numpy as np
from prn_pipeline.data.store.array_store import ArrayStream, write_arrays
from prn_pipeline.data.store.locations import location

def batches():
    for start in range(3):
        yield {"maps": np.full((32, 6, 5), start + 1, np.float16)}
    os.kill(os.getpid(), signal.SIGKILL)

write_arrays(location(sys.argv[1]), ArrayStream(batches()))
"""


def test_a_killed_run_leaves_no_store_and_the_next_one_completes_it(bucket: str) -> None:
    url = f"{bucket}/s.zarr"
    write_arrays(location(url), ArrayStream([{"maps": MAPS}]))
    done = subprocess.run([sys.executable, "-c", KILLED, url], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(objects(url)) > 2, "it had begun to write"
    assert not ArrayStoreDataset(filepath=url).exists()
    with pytest.raises(UserError, match="no array store"):
        ArrayStore(location(url))
    with pytest.raises(FileNotFoundError):  # nor does another program see a store
        zarr.open_group(url, mode="r")
    write_arrays(location(url), ArrayStream(batches(4)))
    assert (ArrayStore(location(url)).read("maps", slice(None)) == MAPS[:4]).all()


def numbers(rows: np.ndarray) -> Iterator[Batch]:
    yield {"numbers": rows.astype(np.int64)[:, None]}


def test_several_processes_write_one_store(bucket: str) -> None:
    dask = EngineSettings(kind="dask", workers=2, shards=1)
    for name, engine in (("local", EngineSettings()), ("dask", dask)):
        ArrayStoreDataset(filepath=f"{bucket}/{name}.zarr").save(deferred_arrays(engine, numbers, 100, {"a": 1}))
    assert objects(f"{bucket}/dask.zarr") == objects(f"{bucket}/local.zarr")
    assert len(objects(f"{bucket}/local.zarr")) == 2 + 4


def test_a_missing_bucket_is_an_error_before_anything_is_saved(bucket: str) -> None:
    with pytest.raises(DatasetError, match="there is no bucket s3://elsewhere"):
        JsonDataset.from_config(
            "scores", {"type": "prn_pipeline.io.files.JsonDataset", "filepath": "s3://elsewhere/a.json"}
        )


def test_the_error_for_a_storage_that_does_not_answer_names_what_to_check(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(UserError, match=r"s3://silent cannot be reached .*AWS_ENDPOINT_URL"):
        location("s3://silent/a.json")
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_the_error_for_an_unknown_protocol_names_the_extra() -> None:
    with pytest.raises(UserError, match=r"'prn_pipeline\[s3\]'"):
        location("nonsense://bucket/a.json")


def test_credentials_for_one_folder_of_a_bucket_are_enough(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: UPath, **kwargs: Any) -> None:
        raise PermissionError("s3:ListBucket is allowed below runs/ only")

    monkeypatch.setattr(UPath, "stat", forbidden)
    dataset = JsonDataset(filepath=f"{bucket}/runs/scores.json")
    dataset.save({"iou": 0.5})
    assert dataset.load() == {"iou": 0.5}
