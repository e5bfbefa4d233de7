"""What happens around nodes: stage timings, MLflow runs, the report's path."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from prn_pipeline.tracking import CellRun

#: Input of the node that trains fold models.
PROTOCOL = "params:logit_caching.protocol"


class StageSecondsHooks:
    """Keeps the catalog entry `stage_seconds` up to date: stage -> seconds of its last run on this machine.

    A stage's time goes from its first node's start to its last output saved, because streams are computed while they
    are saved.
    """

    def __init__(self) -> None:
        self._catalog: Any = None
        self._stage_of: dict[str, str] = {}
        self._started: dict[str, float] = {}
        self._before: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Remember which stage each node belongs to."""
        self._catalog = catalog
        self._before = {}
        self._stage_of = {node.name: _stage(node) for node in pipeline.nodes}

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock."""
        self._started[node.name] = time.perf_counter()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Add the node's time so far to its stage."""
        stage = self._stage_of.get(node.name)
        if stage is None or self._catalog is None:
            return
        self._before[node.name] = time.perf_counter() - self._started[node.name]
        total = sum(spent for name, spent in self._before.items() if self._stage_of[name] == stage)
        self._catalog.save("stage_seconds", {**self._catalog.load("stage_seconds"), stage: round(total, 2)})


def _stage(node: Node) -> str:
    """Name of the pipeline folder that the node's function lives in."""
    return node.func.__module__.split(".")[-2]


class CellRunHooks:
    """One MLflow run a cell, with a child run for every training."""

    def __init__(self) -> None:
        self._run: CellRun | None = None
        self._context: KedroContext | None = None

    @hook_impl(trylast=True)
    def after_context_created(self, context: KedroContext) -> None:
        """kedro-mlflow has set up the tracking server by now."""
        self._context = context

    @hook_impl(tryfirst=True, specname="before_pipeline_run")
    def choose_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Before kedro-mlflow starts a run: continue the cell's own, if this is one stage of it."""
        assert self._context is not None
        self._run = CellRun(self._context.params, Path(self._context.project_path))
        config = self._context.mlflow.tracking  # type: ignore[attr-defined]
        config.run.name = self._run.name
        config.run.id = None if _is_whole(run_params) else self._run.find(config.experiment.name)

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """After kedro-mlflow has started the run: say what it is."""
        assert self._run is not None
        self._run.describe()

    @hook_impl(trylast=True)
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> None:
        """A training is a child run; with protocol holdout there are no fold models to train."""
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

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """DVC's hashes, before the run is closed."""
        if self._run is not None:
            self._run.log_lock()


def _is_whole(run_params: dict[str, Any]) -> bool:
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
            ReportPathHooks.written = Path(self._catalog.get("report")._filepath)
