"""The commands that can start at once: the function that each is, and what it imports sooner or later."""

from __future__ import annotations

from typing import NamedTuple


class Program(NamedTuple):
    """A command that is a function.

    Attributes:
        module: that has the function.
        function: its name.
        imports: modules to import beforehand.
    """

    module: str
    function: str
    imports: tuple[str, ...]


#: What the stages of a run import.
OF_STAGES = (
    "kedro.framework.cli.project",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow.pytorch",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.system_metrics.system_metrics_monitor",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "rankseg",
    "segmentation_models_pytorch",
    "sqlalchemy.dialects.sqlite",
    "prn_pipeline.cli",
    "prn_pipeline.hooks",
    "prn_pipeline.io.array_store",
    "prn_pipeline.io.files",
    "prn_pipeline.io.modules",
    "prn_pipeline.io.predictor",
    "prn_pipeline.io.summary",
    "prn_pipeline.pipeline_registry",
    "prn_pipeline.pipelines.ingestion",
    "prn_pipeline.pipelines.base_training",
    "prn_pipeline.pipelines.logit_caching",
    "prn_pipeline.pipelines.pseudo_labelling",
    "prn_pipeline.pipelines.prn_training",
    "prn_pipeline.pipelines.evaluation",
    "prn_pipeline.pipelines.reporting",
    "prn_pipeline.pipelines.promotion",
    "prn_pipeline.refinement.patch_refine_net.fitting",
    "prn_pipeline.refinement.region_detail.fitting",
    "prn_pipeline.refinement.trees.fitting",
    "prn_pipeline.serving.predictor",
    "prn_pipeline.tracking.mlflow_hook",
    "prn_pipeline.tracking.parameters",
    "prn_pipeline.tracking.run_hooks",
    "prn_pipeline.tracking.tracking_store",
    "prn_pipeline.training.trainer",
)

#: Not imported here, as it imports DVC.
DVC_COMMAND = "prn_pipeline.sweep.warm.dvc_command"
PROGRAMS = {
    "dvc": Program(DVC_COMMAND, "main", (DVC_COMMAND, "dvc.commands.repro", "dvc.repo.reproduce")),
    "kedro": Program("kedro.framework.cli", "main", OF_STAGES),
    # for tests, which call many commands in turn
    "prn": Program("prn_pipeline.commands", "prn", OF_STAGES),
}
