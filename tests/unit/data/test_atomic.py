"""What killed processes leave beside an artefact goes away; what living ones are making stays."""

import os
import subprocess
import sys
from pathlib import Path

from prn_pipeline.data.atomic import replacing

KILLED = """
import os, sys
from pathlib import Path
from prn_pipeline.data.atomic import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    (temporary / "half").write_text("written")
    os._exit(9)
"""


def make(folder: Path) -> None:
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / "whole").touch()


def test_the_next_write_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    for name in ("maps.zarr", "other.zarr"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    make(tmp_path / "maps.zarr")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[1:] == ["maps.zarr"], "the other artefact's remains are the other artefact's"
    assert left[0].startswith(".other.")
    assert [path.name for path in (tmp_path / "maps.zarr").iterdir()] == ["whole"]


def test_what_a_living_process_is_making_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "maps.zarr") as ours:
        ours.mkdir()
        theirs = ours.with_name(ours.name.replace(f"-{os.getpid()}.", f"-{os.getppid()}."))
        theirs.mkdir()
    assert theirs.is_dir()
    assert (tmp_path / "maps.zarr").is_dir()
