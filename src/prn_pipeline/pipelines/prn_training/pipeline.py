"""prn_training: maps and pseudo-labels to a refiner."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.prn_training.nodes import train_prn


def create_pipeline(**kwargs: object) -> Pipeline:
    """One node; the tag `training` makes it an MLflow child run."""
    return pipeline(
        [
            node(
                train_prn,
                inputs=[
                    "samples",
                    "manifest",
                    "logits",
                    "map_manifest",
                    "pseudo_labels",
                    "base_model",
                    "base_history",
                    "params:run.refiner",
                    "params:run.prn_training",
                    "params:run.base_training",
                    "params:seed",
                    "params:checkpoints",
                    "params:tiles",
                ],
                outputs=["refiner", "prn_history"],
                name="train_prn",
                tags="training",
            )
        ]
    )
