"""A full disk ends in one line that names the disk and the path, whichever library notices it."""

import errno
import sqlite3
import tempfile
from pathlib import Path

import pytest
import torch
from kedro.io import DatasetError

from prn_pipeline.commands.user_errors import as_user_error
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.processes import full_disks
from prn_pipeline.training.checkpoint_files import CheckpointFiles


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_the_artefact_that_could_not_be_written_is_named_and_nothing_stays(error: Exception, tmp_path: Path) -> None:
    def write() -> None:
        with atomic_write(tmp_path / "x.parquet") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    found = as_user_error(caught.value)
    assert str(found).startswith(f"{tmp_path}/x.parquet: No space left on device; free some space")
    assert "the disk at /" in str(found)
    assert list(tmp_path.iterdir()) == []


def test_the_path_is_that_of_the_error_which_another_one_wraps(tmp_path: Path) -> None:
    def save() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x.zarr"))
        except OSError as error:
            raise DatasetError(f"Failed while saving data to dataset.\n{error}") from error

    with pytest.raises(DatasetError) as caught:
        save()
    assert str(as_user_error(caught.value)).startswith(f"{tmp_path}/x.zarr: No space left on device; free some space")


def test_the_full_one_of_several_disks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_disks, "_free", lambda place: 0 if place == Path(tempfile.gettempdir()) else 2**30)
    found = str(as_user_error(sqlite3.OperationalError("database or disk is full")))
    assert "(temporary files)" in found
    assert "(the project)" not in found


def test_another_error_is_no_full_disk(tmp_path: Path) -> None:
    assert as_user_error(RuntimeError("full of hope")) is None
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "x"):
        raise ZeroDivisionError


def test_a_checkpoint_is_written_beside_its_place_and_the_one_before_it_stays_when_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    file = tmp_path / "checkpoints/last.ckpt"
    CheckpointFiles().save_checkpoint({"epoch": 3}, file)
    assert torch.load(file, weights_only=True) == {"epoch": 3}

    def fails(*_: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 1479744 vs 1479640")  # as torch does, which closes its file

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="No space left") as caught:
        CheckpointFiles().save_checkpoint({"epoch": 4}, file)
    assert str(as_user_error(caught.value)).startswith(f"{file}: No space left on device; free some space")
    assert [path.name for path in file.parent.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_that_fails_for_another_reason_keeps_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("unexpected pos 1479744 vs 1479640")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(RuntimeError, match="unexpected pos"):
        CheckpointFiles().save_checkpoint({"epoch": 4}, tmp_path / "last.ckpt")
