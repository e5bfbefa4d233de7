"""A run whose artefacts lie in a bucket, and DVC's remote in another."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from benchmarks.small_project import copy_project
from tests.integration.conftest import mistake_of, run_pipelines

pytestmark = pytest.mark.long

CELL = "synthetic_roads/unet_resnet18_small/prn/seed-0"


def comparable(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores without times."""
    return {key: scores[key] for key in ("n_test", "methods", "gain", "guard")}


def below(folder: Path) -> set[str]:
    names = {str(file.relative_to(folder)) for part in ("data", "metrics") for file in (folder / part).rglob("*.*")}
    return {name for name in names if (folder / name).is_file() and not name.startswith("data/01_raw")}


def test_a_run_in_a_bucket_equals_one_in_local_files(
    finished: Path, project: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRN_STORAGE", f"{bucket}/team/")
    run_pipelines(project, env="s3")
    storage = fsspec.filesystem("s3", use_listings_cache=False)
    root = f"{bucket.removeprefix('s3://')}/team/"
    found = {path.removeprefix(root) for path in storage.find(root)}
    markers = {name for name in found if name.endswith("/_SUCCESS")}
    assert len(markers) == 2, "figures, and models of folds"
    assert not below(project), "nothing but raw data and checkpoints is kept here"
    shards = {name for name in found if ".zarr/" in name}
    assert {name for name in found - markers - shards if "." in name} == {
        name for name in below(finished) if ".zarr/" not in name
    }
    assert len(shards) == sum(".zarr/" in str(file) for file in finished.rglob("*") if file.is_file())
    scores = json.loads(storage.cat_file(f"{root}metrics/{CELL}.json"))
    local = json.loads((finished / "metrics" / f"{CELL}.json").read_text())
    assert comparable(scores) == comparable(local)


def test_the_error_without_a_bucket_names_the_variable_to_export(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRN_STORAGE", raising=False)
    assert re.search(r"export PRN_STORAGE=s3://bucket/folder", mistake_of(project, env="s3"))


def dvc(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dvc_pushes_a_data_set_to_a_bucket_and_pulls_it(tmp_path: Path, bucket: str) -> None:
    here, there = copy_project(tmp_path / "here"), tmp_path / "there"
    images = here / "data/01_raw/my_roads/images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"a picture")
    dvc(here, "add", "data/01_raw/my_roads")
    dvc(here, "remote", "add", "-d", "storage", f"{bucket}/dvc")
    dvc(here, "push")
    for command in (
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "data"],
        ["clone", "-q", str(here), str(there)],
    ):
        subprocess.run(["git", *command], cwd=here, check=True, capture_output=True)
    dvc(there, "pull", "data/01_raw/my_roads.dvc")
    assert (there / "data/01_raw/my_roads/images/a.png").read_bytes() == b"a picture"
