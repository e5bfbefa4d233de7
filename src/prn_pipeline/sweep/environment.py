"""What the commands that are run for the user find: dvc and kedro of this installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def tool_environment() -> dict[str, str]:
    """This process's environment, in which the tools beside this python are found.

    Before all others, since a system's own dvc knows nothing of this installation; but where they are on the path
    already, as in an activated environment, its order is the user's.
    """
    tools = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    return {**os.environ, "PATH": os.pathsep.join(path if tools in path else [tools, *path])}
