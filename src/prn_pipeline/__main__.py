"""`python -m prn_pipeline`: the same as `kedro run`, where the command `kedro` is not on the PATH."""

import sys
from pathlib import Path

from kedro.framework.cli.cli import KedroCLI
from kedro.utils import find_kedro_project


def main() -> None:
    """Run the project's `run` command."""
    project = find_kedro_project(Path.cwd()) or Path.cwd()
    sys.argv.insert(1, "run")
    KedroCLI(project)()


if __name__ == "__main__":
    main()
