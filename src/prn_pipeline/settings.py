"""Kedro project settings: https://docs.kedro.org."""

from prn_pipeline.configuration.config_loader import RunConfigLoader
from prn_pipeline.configuration.loader_arguments import LOADER_ARGS
from prn_pipeline.hooks import ReportPathHooks, RunCheckHooks, StageHooks
from prn_pipeline.tracking.mlflow_commands import postpone_commands
from prn_pipeline.tracking.mlflow_hook import LazyMlflowHook
from prn_pipeline.tracking.run_hooks import TrackingHooks
from prn_pipeline.tracking.stage_costs import StageCostHooks

postpone_commands()

CONFIG_LOADER_CLASS = RunConfigLoader
CONFIG_LOADER_ARGS = LOADER_ARGS
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)  # its hook is `LazyMlflowHook`
#: Of hooks that are marked `tryfirst`, Kedro calls those of the last object first: checks come before tracking.
HOOKS = (StageCostHooks(), TrackingHooks(), StageHooks(), ReportPathHooks(), RunCheckHooks(), LazyMlflowHook())
