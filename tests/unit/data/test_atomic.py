"""What killed processes have left is removed; what may still be in use stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prn_pipeline.data.store.atomic import ABANDONED, atomic_write
from prn_pipeline.processes.owners import visible_processes

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


def pid_of(folder: Path) -> str:
    return folder.name.split(".")[2].split("-")[-1]


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


def test_a_killed_process_s_temporary_file_is_removed_by_the_first_write_into_its_folder(tmp_path: Path) -> None:
    write = KILLED.replace("temporary.mkdir()", "").replace('(temporary / "half").write_text', "temporary.write_text")
    subprocess.run([sys.executable, "-c", write, str(tmp_path / "mask.7.png")], check=False)
    assert len(temporary_folders(tmp_path)) == 1
    with atomic_write(tmp_path / "another.png") as temporary:
        temporary.touch()
    assert [path.name for path in tmp_path.iterdir()] == ["another.png"]


def test_names_that_only_look_like_temporary_ones_stay(tmp_path: Path) -> None:
    for name in (".mask.partial.png", ".a.00000000-1-2.partial.png", "mask.partial"):
        (tmp_path / name).touch()
    make(tmp_path / "maps.zarr")
    assert len(list(tmp_path.iterdir())) == 4


def test_a_temporary_folder_of_a_process_that_has_just_ended_here_is_removed(left: Path) -> None:
    os.utime(left)
    make(left.with_name("maps.zarr"))
    assert not left.exists()


@pytest.mark.parametrize("namespace", ["-abc", ""], ids=["another container", "an earlier version"])
def test_a_recent_temporary_folder_of_a_process_that_cannot_be_seen_stays(left: Path, namespace: str) -> None:
    theirs = left.rename(left.with_name(left.name.replace(f"-{visible_processes()}-", f"{namespace}-")))
    os.utime(theirs)
    make(left.with_name("maps.zarr"))
    assert theirs.is_dir()
    os.utime(theirs, (0, time.time() - ABANDONED - 60))
    make(left.with_name("maps.zarr"))
    assert not theirs.exists()


def test_the_temporary_folder_of_a_living_process_stays(left: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        killed = pid_of(left)
        theirs = left.rename(left.with_name(left.name.replace(f"-{killed}.", f"-{living.pid}.")))
        make(left.with_name("maps.zarr"))
        assert theirs.is_dir()
        living.communicate(b"\n")
    make(left.with_name("maps.zarr"))
    assert not theirs.exists()


def test_an_old_artefact_that_a_killed_process_moved_aside_stays_while_there_is_no_new_one(left: Path) -> None:
    os.utime(left)
    aside = left.rename(left.with_name(left.name.replace(".partial.", ".retired.")))
    with pytest.raises(ZeroDivisionError), atomic_write(left.with_name("maps.zarr")):
        raise ZeroDivisionError
    assert aside.is_dir()
    make(left.with_name("maps.zarr"))
    make(left.with_name("maps.zarr"))
    assert not aside.exists()
