"""Kedro project settings: https://docs.kedro.org."""

from prn_pipeline.configuration.config_loader import LOADER_ARGS, RunConfigLoader
from prn_pipeline.hooks import ReportPathHooks, TrackingHooks
from prn_pipeline.tracking.stage_costs import StageCostHooks

CONFIG_LOADER_CLASS = RunConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
HOOKS = (StageCostHooks(), TrackingHooks(), ReportPathHooks())
