"""Stores return the written rows in any order, and are written atomically."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, Batch, write_arrays
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.data.store.shard_digests import SHARD_ROWS, index_bytes
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
    with pytest.raises(UserError, match="run the pipeline that makes it again"):
        ArrayStore(tmp_path / "s.zarr")
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "zarr.json").write_text("{half")
    with pytest.raises(UserError, match="delete it"):
        ArrayStore(tmp_path / "s.zarr")


def shard(folder: Path, number: int = 1) -> Path:
    return folder / "maps" / "c" / str(number) / "0" / "0"


@pytest.fixture
def logits(tmp_path: Path) -> Path:
    """A store at the place that the catalog gives it."""
    path = tmp_path / "data/04_feature/drive/unet/seed-3/logits.zarr"
    write_arrays(path, ArrayStream(batches_of(8), {"made_by": "test"}))
    return path


RERUN = r"run the pipeline logit_caching again: kedro run --pipelines logit_caching --params dataset=drive,base_model="


def test_a_missing_shard_is_an_error_when_the_store_is_opened_and_names_the_stage(logits: Path) -> None:
    shard(logits).unlink()
    with pytest.raises(UserError, match=rf"logits\.zarr is not .*maps/c/1/0/0 is missing.*{RERUN}unet,seed=3"):
        ArrayStore(logits)


def test_a_shard_that_goes_missing_later_is_an_error_of_every_read_that_needs_it(logits: Path) -> None:
    store = ArrayStore(logits)
    shard(logits).unlink()
    for rows in (slice(None), [SHARD_ROWS], [0, SHARD_ROWS + 3], np.arange(SHARD_ROWS, 2 * SHARD_ROWS)):
        with pytest.raises(UserError, match=rf"logits\.zarr is damaged \(maps: maps/c/1/0/0 is missing\): {RERUN}"):
            store.read("maps", rows)
    assert (store.read("maps", np.arange(SHARD_ROWS)) == MAPS[:SHARD_ROWS]).all(), "other shards are read"


def test_a_flipped_bit_of_a_shard_is_an_error_of_the_reads_that_need_its_chunk(logits: Path) -> None:
    content = bytearray(shard(logits).read_bytes())
    content[5] ^= 4  # in the first chunk
    shard(logits).write_bytes(content)
    store = ArrayStore(logits)
    with pytest.raises(UserError, match=rf"is damaged \(maps: .*checksum.*{RERUN}"):
        store.read("maps", [SHARD_ROWS])
    assert (store.read("maps", [SHARD_ROWS + 1]) == MAPS[SHARD_ROWS + 1]).all(), "its other chunks are read"


def test_a_chunk_that_another_program_has_dropped_is_noticed(logits: Path) -> None:
    array = zarr.open_array(logits / "maps", mode="r+")
    array[SHARD_ROWS + 3] = 0  # Zarr leaves out chunks of zeros
    with pytest.raises(UserError, match=r"maps/c/1/0/0 has \d+ bytes, not \d+"):
        ArrayStore(logits)


def test_an_array_of_zeros_is_written_and_missed(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"masks": np.zeros((3, 4, 4), np.uint8)}]))
    assert not ArrayStore(tmp_path / "s.zarr").read("masks", slice(None)).any()
    (tmp_path / "s.zarr/masks/c/0/0/0").unlink()
    with pytest.raises(UserError, match="is missing"):
        ArrayStore(tmp_path / "s.zarr")


def test_every_chunk_and_every_index_has_a_checksum(logits: Path) -> None:
    (sharding,) = json.loads((logits / "maps/zarr.json").read_text())["codecs"]
    assert sharding["configuration"]["codecs"][-1]["name"] == "crc32c"
    assert sharding["configuration"]["index_codecs"][-1]["name"] == "crc32c"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("maps/zarr.json", '"float16"', '"float32"', "maps/zarr.json has changed"),
        ("zarr.json", '"made_by"', '"made_bx"', "does not match its checksum"),
        ("zarr.json", '"checksum"', '"chdcksum"', "'chdcksum' in place of 'checksum'"),
        ("zarr.json", '"group"', '"grouq"', "not that of a group"),
    ],
)
def test_changed_descriptions_are_refused(logits: Path, file: str, old: str, new: str, message: str) -> None:
    text = (logits / file).read_text()
    assert old in text
    (logits / file).write_text(text.replace(old, new))
    with pytest.raises(UserError, match=rf"{message}.*{RERUN}"):
        ArrayStore(logits)


def test_a_store_of_an_earlier_version_is_refused_with_the_stage_to_run(logits: Path) -> None:
    zarr.create_group(logits, attributes={"made_by": "test"}, overwrite=True)
    zarr.create_array(logits / "maps", data=MAPS, chunks=(1, 6, 5), shards=(SHARD_ROWS, 6, 5))
    with pytest.raises(UserError, match=rf"has no checksums: an earlier version wrote it.*{RERUN}"):
        ArrayStore(logits)


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


@pytest.fixture
def two_stores(tmp_path: Path) -> tuple[Path, Path]:
    """Stores of random bytes, which do not compress, so that all chunks and all shards have one size."""
    paths = tmp_path / "one.zarr", tmp_path / "two.zarr"
    for seed, path in enumerate(paths):
        noise = np.random.default_rng(seed).integers(0, 256, (3 * SHARD_ROWS, 16, 16), np.uint8)
        write_arrays(path, ArrayStream([{"images": noise}], {"samples": "same"}))
    return paths


def first_shard(store: Path) -> Path:
    return store / "images/c/0/0/0"


def exchange_rows(file: Path, size: int) -> None:
    """Exchange the chunks of the first two rows of a shard, whose checksums go with them."""
    content = file.read_bytes()
    file.write_bytes(content[size : 2 * size] + content[:size] + content[2 * size :])


@pytest.mark.parametrize("rows", [slice(0, 3), slice(None), [5, 1]])
@pytest.mark.parametrize("exchanged", ["shards", "rows", "store"])
def test_exchanged_shards_and_rows_are_an_error_of_every_read_that_needs_them(
    two_stores: tuple[Path, Path], exchanged: str, rows: slice | list[int]
) -> None:
    one, two = two_stores
    first, second = first_shard(one), one / "images/c/1/0/0"
    assert first.stat().st_size == second.stat().st_size == first_shard(two).stat().st_size
    if exchanged == "shards":
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
    elif exchanged == "rows":
        exchange_rows(first, (first.stat().st_size - index_bytes()) // SHARD_ROWS)
    else:
        first.write_bytes(first_shard(two).read_bytes())
    store = ArrayStore(one)
    with pytest.raises(UserError, match=r"one\.zarr is damaged.*images/c/[01]/0/0 is not the shard that was written"):
        store.read("images", rows)
    with pytest.raises(UserError, match="damaged"):
        store.read("images", rows)
    assert store.read("images", slice(2 * SHARD_ROWS, None)).shape == (SHARD_ROWS, 16, 16), "the third shard is intact"


def test_a_shard_is_checked_once(two_stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArrayStore(two_stores[0])
    expected = store.read("images", [3, 1])
    monkeypatch.setattr("prn_pipeline.data.store.complete_store.shard_digest", lambda *_: pytest.fail("again"))
    np.testing.assert_array_equal(store.read("images", [3, 1]), expected)
