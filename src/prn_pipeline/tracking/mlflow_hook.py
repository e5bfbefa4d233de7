"""`ParameterBatchHook` in the place of kedro-mlflow's hook, imported when Kedro first calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

if TYPE_CHECKING:
    from prn_pipeline.tracking.parameters import ParameterBatchHook


class LazyMlflowHook:
    """Passes every call of Kedro on to a `ParameterBatchHook`, which imports MLflow."""

    #: Name of kedro-mlflow's entry point: Kedro registers the hooks of a project before those of plugins, and imports
    #: no plugin whose name is taken.
    __name__ = "mlflow_hook"

    def __init__(self) -> None:
        self._hook: ParameterBatchHook | None = None

    def _loaded(self) -> ParameterBatchHook:
        if self._hook is None:
            from prn_pipeline.tracking.parameters import ParameterBatchHook

            self._hook = ParameterBatchHook()
        return self._hook

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Set up MLflow as mlflow.yml says."""
        self._loaded().after_context_created(context)

    @hook_impl
    def after_catalog_created(
        self,
        catalog: CatalogProtocol,
        conf_catalog: dict[str, Any],
        conf_creds: dict[str, Any],
        parameters: dict[str, Any],
        save_version: str,
        load_versions: dict[str, str],
    ) -> None:
        """Name the metrics of the catalog after their entries."""
        self._loaded().after_catalog_created(catalog, conf_catalog, conf_creds, parameters, save_version, load_versions)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Start the MLflow run."""
        self._loaded().before_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool) -> None:
        """Log the parameters among the inputs of a node."""
        self._loaded().before_node_run(node, catalog, inputs, is_async)

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """End the MLflow run."""
        self._loaded().after_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """End the MLflow run as failed."""
        self._loaded().on_pipeline_error(error, run_params, pipeline, catalog)
