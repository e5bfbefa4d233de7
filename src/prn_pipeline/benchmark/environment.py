"""What the commands that are run for the user find: dvc and kedro of this installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def tool_environment() -> dict[str, str]:
    """This process's environment; tools beside this python are found where its environment is not activated."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{Path(sys.executable).parent}"}
