"""promotion: the networks of a run to a registered predictor, which becomes champion if it is better."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.promotion.nodes import challenge_champion, pack_predictor, write_card


def create_pipeline(**kwargs: object) -> Pipeline:
    """Pack and describe, then challenge."""
    return pipeline(
        [
            node(
                pack_predictor,
                inputs=[
                    "base_model",
                    "refiner",
                    "descriptions",
                    "expected_iou",
                    "manifest",
                    "params:run",
                    "params:predictor",
                    "params:tiles",
                ],
                outputs="predictor",
                name="pack_predictor",
            ),
            node(
                write_card,
                inputs=["params:run", "scores", "dataset_summary"],
                outputs="model_card",
                name="write_card",
            ),
            node(
                challenge_champion,
                inputs=[
                    "predictor",
                    "manifest",
                    "scores",
                    "params:run",
                    "params:ingestion.data_root",
                    "params:promotion",
                ],
                outputs="promotion",
                name="challenge_champion",
            ),
        ]
    )
