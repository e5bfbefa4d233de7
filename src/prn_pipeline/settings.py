"""Kedro project settings: https://docs.kedro.org."""

from pathlib import Path

from kedro.utils import find_kedro_project
from omegaconf.resolvers import oc

from prn_pipeline.config_loader import CellConfigLoader
from prn_pipeline.hooks import CellRunHooks, ReportPathHooks
from prn_pipeline.stage_costs import StageCostHooks


def _below_project(path: str) -> str:
    """Absolute path of something in the project, wherever below it the command was started."""
    return str((find_kedro_project(Path.cwd()) or Path.cwd()) / path)


CONFIG_LOADER_CLASS = CellConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"oc.env": oc.env, "project": _below_project},
}
HOOKS = (StageCostHooks(), CellRunHooks(), ReportPathHooks())
