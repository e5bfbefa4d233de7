"""pseudo_labelling: maps and masks to pseudo-labels."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.pseudo_labelling.nodes import make_pseudo_labels


def create_pipeline(**kwargs: object) -> Pipeline:
    """One node."""
    return pipeline(
        [
            node(
                make_pseudo_labels,
                inputs=["samples", "manifest", "logits", "map_manifest", "params:pseudo_labelling", "params:engine"],
                outputs="pseudo_labels",
                name="make_pseudo_labels",
            )
        ]
    )
