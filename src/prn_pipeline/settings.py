"""Kedro project settings: https://docs.kedro.org."""

from prn_pipeline.configuration.config_loader import LOADER_ARGS, CellConfigLoader
from prn_pipeline.hooks import CellRunHooks, ReportPathHooks
from prn_pipeline.tracking.stage_costs import StageCostHooks

CONFIG_LOADER_CLASS = CellConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
HOOKS = (StageCostHooks(), CellRunHooks(), ReportPathHooks())
