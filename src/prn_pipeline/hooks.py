"""What happens around nodes: MLflow runs, the report's path; stage costs have a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from prn_pipeline.configuration.run_checks import check_inputs, check_kept, check_task, check_tiles, check_val
from prn_pipeline.layout.scopes import widest_scope
from prn_pipeline.tracking.mlflow_run import MlflowRun
from prn_pipeline.tracking.stage_costs import stage_of

#: Input of the node that trains fold models.
PROTOCOL = "params:logit_caching.protocol"


class TrackingHooks:
    """One MLflow run a run, with a child run for every training; stages that runs share have runs of their own."""

    def __init__(self) -> None:
        self._run: MlflowRun | None = None
        self._context: KedroContext | None = None
        self._stages: set[str] = set()

    @hook_impl(trylast=True)
    def after_context_created(self, context: KedroContext) -> None:
        """kedro-mlflow has set up the tracking server by now."""
        self._context = context

    @hook_impl(tryfirst=True, specname="before_pipeline_run")
    def choose_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Before kedro-mlflow starts a run: continue the one of the same scope, if this is one stage of it."""
        assert self._context is not None
        stages = self._stages = {stage_of(node) for node in pipeline.nodes}
        if stages & {"base_training", "logit_caching"}:
            check_task(self._context.params)
        if stages & {"logit_caching", "prn_training", "evaluation"}:
            check_tiles(self._context.params)
        if "logit_caching" in stages:
            check_kept(self._context.params)
        if "prn_training" in stages:
            check_inputs(self._context.params)
        scope = widest_scope(stages)
        self._run = MlflowRun(self._context.params, Path(self._context.project_path), scope)
        config = self._context.mlflow.tracking  # type: ignore[attr-defined]
        config.run.name = self._run.name
        config.run.id = None if _is_default_pipeline(run_params) else self._run.find(config.experiment.name)

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """After kedro-mlflow has started the run: say what it is."""
        assert self._run is not None
        self._run.describe()

    @hook_impl(trylast=True)
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> None:
        """A training is a child run; with protocol holdout there are no fold models to train."""
        if node.name == "train_base" and "prn_training" in self._stages and self._context is not None:
            manifest = inputs["manifest"]
            check_val(self._context.params, manifest.loc[manifest["split"] == "val", "group"].nunique())
        if self._run is not None and "training" in node.tags and inputs.get(PROTOCOL) != "holdout":
            self._run.start_child(node.name)

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node) -> None:
        """Back to the parent."""
        if self._run is not None and "training" in node.tags:
            self._run.end_child("FINISHED")

    @hook_impl(tryfirst=True)
    def on_node_error(self, node: Node) -> None:
        """A failed training is a failed child run."""
        if self._run is not None and "training" in node.tags:
            self._run.end_child("FAILED")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Results go to MLflow as they appear."""
        if self._run is not None:
            self._run.log_result(dataset_name, data)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Which data a stage works on, too."""
        if self._run is not None and dataset_name == "manifest":
            self._run.log_result(dataset_name, data)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """DVC's hashes, before the run is closed."""
        if self._run is not None:
            self._run.log_lock({stage_of(node) for node in pipeline.nodes})


def _is_default_pipeline(run_params: dict[str, Any]) -> bool:
    parts = ("pipeline_names", "tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")
    chosen = [value for part in parts if (value := run_params.get(part))]
    return chosen in ([], [["__default__"]])


class ReportPathHooks:
    """Remembers where the report went, for the command line to say last."""

    written: ClassVar[Path | None] = None

    def __init__(self) -> None:
        self._catalog: Any = None

    @hook_impl
    def before_pipeline_run(self, catalog: DataCatalog) -> None:
        """Keep the catalog."""
        self._catalog = catalog

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """A report was written."""
        if dataset_name == "report":
            ReportPathHooks.written = self._catalog.get("report")._filepath
