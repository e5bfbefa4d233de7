"""evaluation: maps and a refiner to scores."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.evaluation.nodes import describe_learning_maps, evaluate, refine_test_maps


def create_pipeline(**kwargs: object) -> Pipeline:
    """Refine and describe, then measure."""
    return pipeline(
        [
            node(
                refine_test_maps,
                inputs=[
                    "samples",
                    "manifest",
                    "logits",
                    "refiner",
                    "params:evaluation",
                    "params:tiles",
                    "params:engine",
                ],
                outputs="refined",
                name="refine_test_maps",
            ),
            node(
                describe_learning_maps,
                inputs=[
                    "samples",
                    "manifest",
                    "logits",
                    "map_manifest",
                    "refiner",
                    "params:evaluation",
                    "params:tiles",
                ],
                outputs="descriptions",
                name="describe_learning_maps",
            ),
            node(
                evaluate,
                inputs=[
                    "samples",
                    "manifest",
                    "logits",
                    "map_manifest",
                    "refined",
                    "base_model",
                    "refiner",
                    "dataset_costs",
                    "base_costs",
                    "run_costs",
                    "params:run",
                    "params:ingestion.data_root",
                    "params:pseudo_labelling.patch_size",
                    "params:evaluation",
                    "params:engine",
                ],
                outputs=["scores", "per_image"],
                name="evaluate",
            ),
        ]
    )
