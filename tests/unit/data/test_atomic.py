"""Temporary folders of long dead processes are removed; those that may still be in use stay."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prn_pipeline.data.store.atomic import ABANDONED, atomic_write

KILLED = """
import os, sys
from pathlib import Path
from prn_pipeline.data.store.atomic import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    (temporary / "half").write_text("written")
    os._exit(9)
"""


def make(folder: Path) -> None:
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        (temporary / "whole").touch()


def temporary_folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if ".partial" in path.name]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The temporary folder of a process that was killed long ago."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "maps.zarr")], check=False)
    (folder,) = temporary_folders(tmp_path)
    os.utime(folder, (0, time.time() - ABANDONED - 60))
    return folder


def test_the_next_write_removes_an_abandoned_folder(left: Path) -> None:
    make(left.with_name("maps.zarr"))
    assert [path.name for path in left.parent.iterdir()] == ["maps.zarr"]
    assert [path.name for path in left.with_name("maps.zarr").iterdir()] == ["whole"]


def test_abandoned_folders_of_other_artefacts_stay(left: Path) -> None:
    make(left.with_name("other.zarr"))
    assert left.is_dir()


def test_a_recent_temporary_folder_stays(left: Path) -> None:
    os.utime(left)
    make(left.with_name("maps.zarr"))
    assert left.is_dir()


def test_the_temporary_folder_of_a_living_process_stays(left: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        killed = left.name.split(".")[2].split("-")[1]
        theirs = left.rename(left.with_name(left.name.replace(f"-{killed}.", f"-{living.pid}.")))
        make(left.with_name("maps.zarr"))
        assert theirs.is_dir()
        living.communicate(b"\n")
    make(left.with_name("maps.zarr"))
    assert not theirs.exists()
