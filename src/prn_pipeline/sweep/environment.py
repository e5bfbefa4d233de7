"""The environment of subprocesses: `dvc` and `kedro` are those of this installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def tool_environment() -> dict[str, str]:
    """This process's environment with the folder of its Python first on PATH.

    A `dvc` of the system does not have this project's libraries. A PATH that has the folder already, as in an activated
    environment, is left as it is.
    """
    tools = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    return {**os.environ, "PATH": os.pathsep.join(path if tools in path else [tools, *path])}
