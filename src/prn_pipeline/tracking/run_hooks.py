"""Kedro hooks that open, describe and close the MLflow runs of a process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from prn_pipeline.layout.scopes import widest_scope
from prn_pipeline.processes.redacted_output import redact_logs, redact_output
from prn_pipeline.tracking.stage_costs import stage_of

if TYPE_CHECKING:
    from prn_pipeline.tracking.mlflow_run import MlflowRun

#: Input of the node that trains fold models.
PROTOCOL = "params:logit_caching.protocol"
#: Parameters of `kedro run` that select a part of the pipelines.
SELECTIONS = ("pipeline_names", "tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")


class TrackingHooks:
    """One MLflow run per run, with a child run for every training.

    Stages that runs share and that run in processes of their own have an MLflow run per data set or base model.
    kedro-mlflow starts and ends the MLflow run; hooks marked `tryfirst` act before it, those marked `trylast` after it.

    MLflow, which takes longer to import than all of Kedro, is imported by the first hook that asks the tracking store:
    a command that ends before, with a mistyped option or parameter, does not wait for it.
    """

    def __init__(self) -> None:
        self._run: MlflowRun | None = None
        self._context: KedroContext | None = None

    @hook_impl(tryfirst=True, specname="after_context_created")
    def prepare(self, context: KedroContext) -> None:
        """Before kedro-mlflow asks the tracking store anything: keep secrets out of output, and prepare the store.

        Raises:
            UserError: a parameter is wrong, or the store cannot be used.
        """
        redact_output()
        with suppress(MissingConfigException):
            context.config_loader["parameters"]  # `context.params` would import every pipeline here
        from prn_pipeline.tracking.tracking_store import prepare_tracking_store

        # From the run's own loader: another one would take over ${globals:...}, with those of another environment.
        server = context.config_loader["mlflow"]["server"]
        prepare_tracking_store(server["mlflow_tracking_uri"], Path(context.project_path))

    @hook_impl(trylast=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the context, in which kedro-mlflow has set up the tracking server."""
        self._context = context
        redact_logs()  # handlers that libraries have added since

    @hook_impl(tryfirst=True, specname="before_pipeline_run")
    def choose_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Name the MLflow run; where this process runs some of the stages, continue the run that has the others."""
        from prn_pipeline.tracking.dead_runs import close_runs_of_dead_processes
        from prn_pipeline.tracking.mlflow_run import MlflowRun
        from prn_pipeline.tracking.tracking_store import forget_left_run_id

        assert self._context is not None
        scope = widest_scope(stage_of(node) for node in pipeline.nodes)
        self._run = MlflowRun(self._context.params, Path(self._context.project_path), scope)
        uri = self._context.mlflow.server.mlflow_tracking_uri  # type: ignore[attr-defined]
        config = self._context.mlflow.tracking  # type: ignore[attr-defined]
        forget_left_run_id(uri)
        close_runs_of_dead_processes(uri, config.experiment.name)
        config.run.name = self._run.name
        config.run.id = None if _runs_all_stages(run_params) else self._run.find(config.experiment.name)

    @hook_impl(trylast=True)
    def before_pipeline_run(self) -> None:
        """Tag the MLflow run that kedro-mlflow has started."""
        assert self._run is not None
        self._run.describe()

    @hook_impl(trylast=True)
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> None:
        """Start a child run for a training; protocol holdout has no fold models to train."""
        if self._run is not None and "training" in node.tags and inputs.get(PROTOCOL) != "holdout":
            self._run.start_child(node.name, stage_of(node))

    @hook_impl(tryfirst=True)
    def after_node_run(self, node: Node) -> None:
        """Finish the child run of a training."""
        if self._run is not None and "training" in node.tags:
            self._run.end_child("FINISHED")

    @hook_impl(tryfirst=True)
    def on_node_error(self, node: Node) -> None:
        """Mark the child run of a training as failed."""
        if self._run is not None and "training" in node.tags:
            self._run.end_child("FAILED")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log results as they appear."""
        if self._run is not None:
            self._run.log_result(dataset_name, data)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Log which data a stage works on, also where another process has ingested it."""
        if self._run is not None and dataset_name == "manifest":
            self._run.log_result(dataset_name, data)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Log the hashes that DVC has and the last sample of system metrics, before kedro-mlflow ends the run."""
        if self._run is not None:
            from prn_pipeline.tracking.system_metrics import log_final_sample

            self._run.log_lock({stage_of(node) for node in pipeline.nodes})
            log_final_sample()


def _runs_all_stages(run_params: dict[str, Any]) -> bool:
    selected = [value for selection in SELECTIONS if (value := run_params.get(selection))]
    return selected in ([], [["__default__"]])
