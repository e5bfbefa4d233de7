"""Pipeline reporting: from scores and maps to the report."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.reporting.nodes import build_report


def create_pipeline(**kwargs: object) -> Pipeline:
    """One node."""
    return pipeline(
        [
            node(
                build_report,
                inputs=[
                    "samples",
                    "manifest",
                    "dataset_summary",
                    "logits",
                    "map_manifest",
                    "pseudo_labels",
                    "refined",
                    "scores",
                    "per_image",
                    "expected_iou",
                    "base_history",
                    "prn_history",
                    "label_curve",
                    "params:run",
                    "params:pseudo_labelling",
                    "params:reporting",
                ],
                outputs=["report", "figures"],
                name="build_report",
            )
        ]
    )
