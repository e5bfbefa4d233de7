"""Kedro hooks of the project that do not belong to tracking: checks before a run, its stages, its report's path."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from prn_pipeline.configuration.model_checks import (
    check_base_network,
    check_inputs,
    check_kept,
    check_task,
    check_tiles,
)
from prn_pipeline.configuration.split_checks import check_split, check_train, check_val
from prn_pipeline.processes.work_progress import begin_stage
from prn_pipeline.segmentation.imported_code import configure
from prn_pipeline.tracking.stage_costs import stage_of

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

#: Stages -> check that the parameters must pass before any of these stages runs.
CHECKS = {
    ("base_training",): check_split,
    ("base_training", "logit_caching"): check_task,
    ("logit_caching", "prn_training", "evaluation"): check_tiles,
    ("logit_caching",): check_kept,
    ("prn_training",): check_inputs,
    ("prn_training", "evaluation"): check_base_network,
}


class RunCheckHooks:
    """Refuses a run whose choices do not fit each other, before MLflow starts a run and before anything is trained."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._parameters: dict[str, Any] = {}
        self._stages: set[str] = set()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the context, which loads the parameters."""
        self._context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check what the stages of this process need.

        Raises:
            UserError: two choices do not fit, train is empty for a base model that is trained here, or val is too small
                for the refiner.
        """
        assert self._context is not None
        self._parameters = self._context.params
        configure(_targets(self._parameters))
        self._stages = {stage_of(node) for node in pipeline.nodes}
        for stages_of_check, check in CHECKS.items():
            if self._stages.intersection(stages_of_check):
                check(self._parameters)
        if "manifest" in pipeline.inputs() and catalog.exists("manifest"):
            self._check_splits(catalog.load("manifest"))

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> None:
        """Check the splits before the base model is trained, where ingestion has only now made the manifest."""
        if node.name == "train_base":
            self._check_splits(inputs["manifest"])

    def _check_splits(self, manifest: pd.DataFrame) -> None:
        if "base_training" in self._stages:
            check_train(self._parameters, int((manifest["split"] == "train").sum()))
        if "prn_training" in self._stages:
            check_val(self._parameters, manifest.groupby("split")["group"].nunique().to_dict())


def _targets(parameters: Mapping[str, Any]) -> list[str]:
    """What the base models of the configuration import, which the predictors of this project may import too."""
    blocks = parameters.get("base_models", {}).values()
    return [str(block["target"]) for block in blocks if isinstance(block, Mapping) and block.get("target")]


class StageHooks:
    """Announces each stage as its first node starts."""

    def __init__(self) -> None:
        self._stages: list[str] = []
        self._current = ""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """List the stages of this process, in the order of their nodes."""
        self._stages = list(dict.fromkeys(stage_of(node) for node in pipeline.nodes))
        self._current = ""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Announce the stage, if it is another one than before."""
        stage = stage_of(node)
        if stage == self._current:
            return
        self._current, number = stage, self._stages.index(stage) + 1
        name = stage.replace("_", " ")
        begin_stage(name, number, len(self._stages))
        if len(self._stages) > 1:
            logger.info("stage %d of %d: %s", number, len(self._stages), name)


class ReportPathHooks:
    """Remembers where the report was written, and its scores, so that the command line can print them last."""

    written: ClassVar[Path | None] = None
    scores: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init__(self) -> None:
        self._catalog: Any = None

    @hook_impl
    def before_pipeline_run(self, catalog: DataCatalog) -> None:
        """Keep the catalog, which knows the report's path."""
        self._catalog = catalog

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Remember the scores that a report is made of."""
        if dataset_name == "scores":
            ReportPathHooks.scores = data

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Remember the path of a report that was written."""
        if dataset_name == "report":
            ReportPathHooks.written = self._catalog.get("report")._filepath
