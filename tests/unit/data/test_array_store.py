"""Stores return the written rows in any order, and are written atomically."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.data.store.array_store import SHARD_ROWS, ArrayStore, ArrayStream, Batch, write_arrays
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError

ROWS = 2 * SHARD_ROWS + 7
MAPS = np.random.default_rng(0).random((ROWS, 6, 5)).astype(np.float16)
LABELS = np.random.default_rng(1).integers(0, 256, (ROWS, 3), dtype=np.uint8)


def batches_of(size: int) -> Iterator[Batch]:
    for start in range(0, ROWS, size):
        yield {"maps": MAPS[start : start + size], "labels": LABELS[start : start + size]}


@pytest.mark.parametrize("size", [1, 5, SHARD_ROWS, SHARD_ROWS + 1, ROWS])
def test_rows_are_read_back_for_any_length_of_batches(tmp_path: Path, size: int) -> None:
    assert write_arrays(tmp_path / "s.zarr", ArrayStream(batches_of(size), {"made_by": "test"})) == ROWS
    store = ArrayStore(tmp_path / "s.zarr")
    assert len(store) == ROWS
    assert store.attributes == {"made_by": "test"}
    assert (store.read("maps", slice(None)) == MAPS).all()
    assert store.read("maps", [0]).dtype == np.float16
    assert (store.read("labels", slice(None)) == LABELS).all()


def test_rows_come_in_the_requested_order_and_may_repeat(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s.zarr", ArrayStream(batches_of(8)))
    store = ArrayStore(tmp_path / "s.zarr")
    for rows in ([5, 2, 40, 2], [70, 0], [3, 4, 5], np.arange(10, 20)):
        assert (store.read("maps", rows) == MAPS[rows]).all()


def test_samples_come_in_shards_from_the_store_that_holds_them(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s.zarr", ArrayStream(batches_of(8), {IDENTITY: "a"}))
    samples = Samples(manifest_of(ROWS, "a"), {"maps": ArrayStore(tmp_path / "s.zarr")})
    rows = np.arange(ROWS)[::-1]
    batches = list(samples.batches(["labels", "maps"], rows))
    assert [len(labels) for labels, _ in batches] == [SHARD_ROWS, SHARD_ROWS, ROWS - 2 * SHARD_ROWS]
    assert (np.concatenate([labels for labels, _ in batches]) == LABELS[rows]).all()
    assert (np.concatenate([maps for _, maps in batches]) == MAPS[rows]).all()
    assert list(samples.batches(["labels"], np.arange(0))) == []


def test_many_samples_lie_in_few_files(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s.zarr", ArrayStream(batches_of(8)))
    chunks = [file for file in (tmp_path / "s.zarr" / "maps" / "c").rglob("*") if file.is_file()]
    assert len(chunks) == -(-ROWS // SHARD_ROWS)


def test_an_interrupted_write_leaves_the_old_store_and_nothing_else(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s.zarr", ArrayStream(batches_of(8)))

    def breaking() -> Iterator[Batch]:
        yield {"maps": MAPS[:40], "labels": LABELS[:40]}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrays(tmp_path / "s.zarr", ArrayStream(breaking()))
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]
    assert len(ArrayStore(tmp_path / "s.zarr")) == ROWS


def test_an_empty_stream_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gave no samples"):
        write_arrays(tmp_path / "s.zarr", ArrayStream([]))
    assert not list(tmp_path.iterdir())


def test_a_missing_or_broken_store_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the pipeline that makes it"):
        ArrayStore(tmp_path / "s.zarr")
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "zarr.json").write_text("{half")
    with pytest.raises(UserError, match="delete it"):
        ArrayStore(tmp_path / "s.zarr")


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text("old")

    def breaking() -> None:
        with atomic_write(file) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaking()
    assert file.read_text() == "old"
    with atomic_write(file) as temporary:
        temporary.write_text("new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def manifest_of(rows: int, identity: str) -> pd.DataFrame:
    manifest = pd.DataFrame(
        {"sample_id": map(str, range(rows)), "split": ["train", "val", "test"] * (rows // 3) + ["train"] * (rows % 3)}
    )
    manifest.attrs[IDENTITY] = identity
    return manifest


def test_samples_refuse_a_store_that_was_made_from_other_samples(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s.zarr", ArrayStream(batches_of(8), {IDENTITY: "a"}))
    store = ArrayStore(tmp_path / "s.zarr")
    samples = Samples(manifest_of(ROWS, "a"), {"maps": store})
    assert (samples.array("maps", [3]) == MAPS[3]).all()
    for other in (manifest_of(ROWS, "b"), manifest_of(ROWS - 1, "a")):
        with pytest.raises(UserError, match="was not made from the samples"):
            Samples(other, {"maps": store})


def test_rows_of_splits_are_ascending_and_an_absent_split_is_an_error() -> None:
    samples = Samples(manifest_of(9, "a"), {})
    assert samples.rows(["train", "val"]).tolist() == [0, 1, 3, 4, 6, 7]
    with pytest.raises(UserError, match=r"no samples in split holiday.*'train': 3"):
        samples.rows(["holiday"])


def test_a_manifest_keeps_its_identity_on_disk(tmp_path: Path) -> None:
    manifest_of(3, "abc").to_parquet(tmp_path / "m.parquet")
    assert pd.read_parquet(tmp_path / "m.parquet").attrs == {IDENTITY: "abc"}
