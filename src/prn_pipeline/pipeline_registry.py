"""Names of the pipelines; DVC stages have the same names."""

from kedro.pipeline import Pipeline

from prn_pipeline.pipelines import (
    base_training,
    evaluation,
    ingestion,
    logit_caching,
    prn_training,
    pseudo_labelling,
    reporting,
)

#: In the order of a run.
STAGES = (ingestion, base_training, logit_caching, pseudo_labelling, prn_training, evaluation, reporting)


def register_pipelines() -> dict[str, Pipeline]:
    """Every stage by its name, and `__default__`: all of them."""
    pipelines = {stage.__name__.rpartition(".")[2]: stage.create_pipeline() for stage in STAGES}
    return {**pipelines, "__default__": sum(pipelines.values(), Pipeline([]))}
