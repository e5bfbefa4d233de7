"""base_training: samples to trained base models."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.base_training.nodes import train_base, train_folds

_INPUTS = [
    "samples",
    "manifest",
    "params:run.base_model",
    "params:run.base_training",
    "params:seed",
    "params:checkpoints",
]


def create_pipeline(**kwargs: object) -> Pipeline:
    """The final model and the fold models; nodes with the tag `training` become MLflow child runs."""
    return pipeline(
        [
            node(
                train_base, inputs=_INPUTS, outputs=["base_model", "base_history"], name="train_base", tags="training"
            ),
            node(
                train_folds,
                inputs=[*_INPUTS, "params:logit_caching.protocol", "base_history"],
                outputs=["fold_models", "fold_history"],
                name="train_folds",
                tags="training",
            ),
        ]
    )
