"""A temporary copy of the project, in which a run can be made without touching the project's own results."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from prn_pipeline.configuration.text_names import names_as_text
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import BENCHMARK_LISTS, METRICS, RAW_DATA
from prn_pipeline.sweep.raw_data import folders_of, link_raw_data

#: Results of the project, which a copy must not start with.
LEFT_OUT = ("data", str(METRICS), "dvc.lock")


@contextmanager
def project_copy(project: Path, names: Mapping[str, Any], data: Path | None, *, keep: bool) -> Iterator[Path]:
    """A copy of the project's code and configuration whose only run is the one named; removed at the end.

    The copy has the files that git tracks or would add, so uncommitted edits too. It lies below data/, which git
    ignores, on the same disk as the project. DVC's cache and the database of MLflow are its own. Raw data is linked.

    Args:
        project: root of the repository.
        names: dataset, base_model, refiner, seed.
        data: the user's folder of data sets, for raw data that is not in data/01_raw.
        keep: do not remove the copy.

    Raises:
        UserError: the project is not in a git repository.
    """
    (project / "data").mkdir(exist_ok=True)
    copy = Path(tempfile.mkdtemp(prefix="verify-", dir=project / "data"))
    try:
        for file in _files(project):
            target = copy / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / file, target, follow_symlinks=False)
        (copy / "conf" / "local").mkdir(exist_ok=True)  # git does not keep an empty folder
        lists = {f"{name}s": [value] for name, value in names.items()}
        (copy / BENCHMARK_LISTS).write_text(names_as_text(yaml.safe_dump(lists, sort_keys=False)))
        # Without git DVC does not look into the project's repository; a shared cache would return the old results.
        (copy / ".dvc" / "config.local").write_text(
            f"[core]\n    no_scm = true\n[cache]\n    dir = {copy}/.dvc/cache\n"
        )
        _link_raw_data(str(names["dataset"]), project, copy, data)
        yield copy
    finally:
        if not keep:
            shutil.rmtree(copy, ignore_errors=True)


def isolated_environment(copy: Path) -> dict[str, str]:
    """Environment variables that keep a run in the copy: its own MLflow database, and no bucket."""
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{copy}/mlflow.db?timeout=60", "KEDRO_ENV": "local"}


def _files(project: Path) -> list[Path]:
    """Paths in the project of the files that git tracks or would add, without results."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"git cannot list the files of {project} ({done.stderr.strip()}): use a clone of the repository"
        )
    files = dict.fromkeys(Path(name) for name in done.stdout.split("\0") if name)
    return [file for file in files if file.parts[0] not in LEFT_OUT and (project / file).is_file()]  # no submodules


def _link_raw_data(dataset: str, project: Path, copy: Path, data: Path | None) -> None:
    place = project / RAW_DATA / dataset
    (copy / RAW_DATA).mkdir(parents=True)
    if place.exists():
        (copy / RAW_DATA / dataset).symlink_to(place.resolve(), target_is_directory=True)
    elif data is not None:
        link_raw_data(folders_of([dataset], project), copy, data.resolve())
