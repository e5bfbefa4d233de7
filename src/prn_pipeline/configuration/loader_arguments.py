"""How Kedro's config loader reads conf/: its environments, its resolvers, and which files are MLflow's settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kedro.utils import find_kedro_project
from omegaconf.resolvers import oc

from prn_pipeline.errors import UserError


def _below_project(path: str) -> str:
    """Absolute path of a file or folder of the project, from any working folder below the project."""
    return str((find_kedro_project(Path.cwd()) or Path.cwd()) / path)


def _environment(variable: str, *default: str | None) -> str | None:
    """OmegaConf's resolver `oc.env`, except that an empty variable counts as not set, and that ~ is the user's home."""
    value = os.environ.get(variable) or (default[0] if default else oc.env(variable))
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~") else value


def _bucket(variable: str) -> str:
    """The URL in an environment variable, with a slash at the end so that a path can follow."""
    url = os.environ.get(variable, "")
    if "://" not in url:
        raise UserError(
            f"{variable} is {url!r}, expected the URL of the bucket that holds this environment's artefacts: export"
            f" {variable}=s3://bucket/folder, or run without --env"
        )
    return url.rstrip("/") + "/"


LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # As kedro-mlflow sets it, but from the start.
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**", "**/mlflow*"]},
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"oc.env": _environment, "project": _below_project, "bucket": _bucket},
}
