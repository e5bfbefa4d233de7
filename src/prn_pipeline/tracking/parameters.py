"""kedro-mlflow's hook, with the parameters of a node logged in one batch instead of one by one."""

from __future__ import annotations

from typing import Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline.node import Node
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH

from prn_pipeline.tracking.quiet_imports import import_without_advice

import_without_advice()
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook  # noqa: E402 - it imports the module above


class ParameterBatchHook(MlflowHook):
    """`MlflowHook` that logs the parameters of a node in batches, and only those that the MLflow run does not have yet.

    A run has some 130 parameters, most of them inputs of several nodes. Logged one by one, each costs a transaction of
    the tracking store or a request to its server, which adds seconds to a small run. Values that are too long for
    MLflow are still handled as `long_params_strategy` in mlflow.yml says.
    """

    def __init__(self) -> None:
        super().__init__()
        self._new: dict[str, str] = {}
        self._logged: set[tuple[str, str]] = set()  # id of the run, name

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool) -> None:
        """Log the parameters among the inputs of a node."""
        self._new.clear()
        super().before_node_run(node, catalog, inputs, is_async)
        run = mlflow.active_run()
        if run is None or not self._new:
            return
        run_id = run.info.run_id
        new = [name for name in self._new if (run_id, name) not in self._logged]
        for first in range(0, len(new), MAX_PARAMS_TAGS_PER_BATCH):
            mlflow.log_params({name: self._new[name] for name in new[first : first + MAX_PARAMS_TAGS_PER_BATCH]})
        self._logged |= {(run_id, name) for name in new}

    def _log_param(self, name: str, value: Any) -> None:
        if len(text := str(value)) <= MAX_PARAM_VAL_LENGTH:
            self._new[name] = text
        else:
            super()._log_param(name, value)
