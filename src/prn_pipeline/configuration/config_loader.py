"""Configuration, checked as soon as it is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf.resolvers import oc

from prn_pipeline.configuration.parameters import RUN_NAMES
from prn_pipeline.configuration.resolved_run import resolve_run
from prn_pipeline.errors import UserError


def _below_project(path: str) -> str:
    """Absolute path of something in the project, wherever below it the command was started."""
    return str((find_kedro_project(Path.cwd()) or Path.cwd()) / path)


def _environment(variable: str, *default: str | None) -> str | None:
    """As OmegaConf has it, but what is set to nothing is not set."""
    return os.environ.get(variable) or (default[0] if default else oc.env(variable))


def _bucket(variable: str) -> str:
    """The URL that an environment variable holds, ready for a path to follow."""
    url = os.environ.get(variable, "")
    if "://" not in url:
        raise UserError(
            f"this environment keeps artefacts in a bucket, and {variable} is {url!r}: export"
            f" {variable}=s3://bucket/folder, or run without --env"
        )
    return url.rstrip("/") + "/"


LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"oc.env": _environment, "project": _below_project, "bucket": _bucket},
}


#: Parameters that change no result of a stage of DVC: those of conf/local are taken everywhere.
NOT_FOLLOWED = ("engine", "checkpoints", "predictor", "promotion")


class RunConfigLoader(OmegaConfigLoader):
    """Adds `run`, the validated choice of data set, base model and refiner, to the parameters.

    A stage of DVC takes its parameters from conf/base alone: what DVC does not follow must not change its results.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Configuration of one kind; parameters are complete and valid.

        Raises:
            UserError: a parameter is wrong, or names another run than the paths of the catalog do.
        """
        loaded: dict[str, Any] = super().__getitem__(key)
        if key != "parameters" or "run" in loaded:
            return loaded
        if "DVC_STAGE" in os.environ:
            loaded = self._followed_by_dvc() | {k: loaded[k] for k in NOT_FOLLOWED if k in loaded}
        checked = resolve_run(loaded, self.runtime_params or {})
        named = {**super().__getitem__("globals"), **(self.runtime_params or {})}
        for name in RUN_NAMES:
            used = checked["run"]["names"][name]
            if str(named[name]) != str(used):  # as paths have it: a seed of 1.0 is none of 1
                raise UserError(
                    f"parameter {name} is {used!r}, but the catalog's paths follow {named[name]!r}: write"
                    f" {used!r} in conf/local/globals.yml or with --params, not in a parameters file"
                )
        return checked

    def _followed_by_dvc(self) -> dict[str, Any]:
        """Parameters of conf/base, and of the command line."""
        environment, self.env = self.env, self.base_env
        try:
            return dict(super().__getitem__("parameters"))
        finally:
            self.env = environment
