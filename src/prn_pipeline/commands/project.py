"""Where the project is that a command was started in."""

from __future__ import annotations

from pathlib import Path

from kedro.utils import find_kedro_project

from prn_pipeline.errors import UserError


def this_project() -> Path:
    """Root of the project that the working directory is in.

    Raises:
        UserError: it is in none.
    """
    found = find_kedro_project(Path.cwd())
    if found is None:
        raise UserError(f"{Path.cwd()} is not below a project: go to the folder that has pyproject.toml and conf/")
    return Path(found)
