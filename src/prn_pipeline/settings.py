"""Kedro project settings: https://docs.kedro.org."""

import os
from pathlib import Path

from kedro.utils import find_kedro_project
from omegaconf.resolvers import oc

from prn_pipeline.config_loader import CellConfigLoader
from prn_pipeline.errors import UserError
from prn_pipeline.hooks import CellRunHooks, ReportPathHooks
from prn_pipeline.stage_costs import StageCostHooks


def _below_project(path: str) -> str:
    """Absolute path of something in the project, wherever below it the command was started."""
    return str((find_kedro_project(Path.cwd()) or Path.cwd()) / path)


def _bucket(variable: str) -> str:
    """The URL that an environment variable holds, ready for a path to follow."""
    url = os.environ.get(variable, "")
    if "://" not in url:
        raise UserError(
            f"this environment keeps artefacts in a bucket, and {variable} is {url!r}: export"
            f" {variable}=s3://bucket/folder, or run without --env"
        )
    return url.rstrip("/") + "/"


CONFIG_LOADER_CLASS = CellConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"oc.env": oc.env, "project": _below_project, "bucket": _bucket},
}
HOOKS = (StageCostHooks(), CellRunHooks(), ReportPathHooks())
