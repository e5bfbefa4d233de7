"""evaluation: maps and a refiner to scores."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.evaluation.nodes import (
    describe_learning_maps,
    estimate_expected_iou,
    measure_costs,
    measure_methods,
    refine_test_maps,
    score,
)

#: The maps that a refiner learned from, and how it is run on them.
LEARNING_MAPS = ["samples", "manifest", "logits", "map_manifest", "refiner", "params:evaluation", "params:tiles"]


def create_pipeline(**kwargs: object) -> Pipeline:
    """Refine and describe, measure methods and costs, score."""
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
                inputs=LEARNING_MAPS,
                outputs="descriptions",
                name="describe_learning_maps",
            ),
            node(
                estimate_expected_iou,
                inputs=LEARNING_MAPS,
                outputs="expected_iou",
                name="estimate_expected_iou",
            ),
            node(
                measure_methods,
                inputs=[
                    "samples",
                    "manifest",
                    "logits",
                    "map_manifest",
                    "refined",
                    "params:run",
                    "params:ingestion.data_root",
                    "params:pseudo_labelling.patch_size",
                    "params:evaluation",
                    "params:engine",
                ],
                outputs=["measured", "task_metrics", "tuned"],
                name="measure_methods",
            ),
            node(
                measure_costs,
                inputs=["samples", "manifest", "logits", "base_model", "refiner"],
                outputs="model_costs",
                name="measure_costs",
            ),
            node(
                score,
                inputs=[
                    "measured",
                    "task_metrics",
                    "tuned",
                    "model_costs",
                    "refiner",
                    "base_history",
                    "dataset_costs",
                    "base_costs",
                    "run_costs",
                    "params:run",
                    "params:pseudo_labelling.patch_size",
                    "params:evaluation",
                    "logits",
                ],
                outputs=["scores", "per_image"],
                name="score",
            ),
        ]
    )
