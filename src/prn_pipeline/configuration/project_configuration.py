"""Parameters and catalog of one run, read without a Kedro session: nothing is tracked, and no server is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.configuration.config_loader import RunConfigLoader
from prn_pipeline.configuration.loader_arguments import LOADER_ARGS
from prn_pipeline.configuration.parameters import Settings
from prn_pipeline.configuration.resolved_run import resolve_run

#: Variable that names the environment of `kedro run`.
ENVIRONMENT = "KEDRO_ENV"


class ProjectConfiguration(NamedTuple):
    """Configuration of one run.

    Attributes:
        parameters: as `resolve_run` returns them.
        catalog: entries by name, with absolute paths.
        overrides: what was given beside the files.
    """

    parameters: Settings
    catalog: dict[str, Any]
    overrides: Settings

    def with_refiner(self, name: str) -> Settings:
        """The parameters with another refiner.

        Raises:
            UserError: see `resolve_run`.
        """
        raw = {key: value for key, value in self.parameters.items() if key != "run"}
        return resolve_run(raw | {"refiner": name}, self.overrides)


def read_configuration(project: Path, overrides: Settings) -> ProjectConfiguration:
    """The configuration as `kedro run --params` reads it.

    Args:
        project: root of the project.
        overrides: parameters, nested; those that name a run also select the catalog's paths.

    Raises:
        UserError: a parameter is wrong, or an environment that the catalog needs is not complete.
    """
    environment = "local" if (project / "conf" / "local").is_dir() else "base"  # git does not keep an empty folder
    arguments = LOADER_ARGS | {"default_run_env": environment}
    loader = RunConfigLoader(
        str(project / "conf"), env=os.environ.get(ENVIRONMENT), runtime_params=overrides, **arguments
    )
    entries = {name: _absolute(entry, project) for name, entry in loader["catalog"].items()}
    return ProjectConfiguration(loader["parameters"], entries, overrides)


def _absolute(entry: Any, project: Path) -> Any:
    """A catalog entry whose file is that of the project, from any working folder."""
    path = entry.get("filepath") if isinstance(entry, dict) else None
    if not isinstance(path, str) or "://" in path:
        return entry
    return entry | {"filepath": str(project / path)}
