"""What processes killed long ago have left beside an artefact goes away; what may be in the making stays."""

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


def remains(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if ".partial" in path.name]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a killed process has left, long ago."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "maps.zarr")], check=False)
    (folder,) = remains(tmp_path)
    os.utime(folder, (0, time.time() - ABANDONED - 60))
    return folder


def test_the_next_write_removes_it(left: Path) -> None:
    make(left.with_name("maps.zarr"))
    assert [path.name for path in left.parent.iterdir()] == ["maps.zarr"]
    assert [path.name for path in left.with_name("maps.zarr").iterdir()] == ["whole"]


def test_another_artefacts_remains_are_the_other_artefacts(left: Path) -> None:
    make(left.with_name("other.zarr"))
    assert left.is_dir()


def test_what_is_new_may_be_in_the_making_elsewhere(left: Path) -> None:
    os.utime(left)
    make(left.with_name("maps.zarr"))
    assert left.is_dir()


def test_what_a_living_process_is_making_stays(left: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        killed = left.name.split(".")[2].split("-")[1]
        theirs = left.rename(left.with_name(left.name.replace(f"-{killed}.", f"-{living.pid}.")))
        make(left.with_name("maps.zarr"))
        assert theirs.is_dir()
        living.communicate(b"\n")
    make(left.with_name("maps.zarr"))
    assert not theirs.exists()
