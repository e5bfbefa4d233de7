"""logit_caching: base models to maps."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.logit_caching.nodes import cache_logits


def create_pipeline(**kwargs: object) -> Pipeline:
    """One node."""
    return pipeline(
        [
            node(
                cache_logits,
                inputs=[
                    "samples",
                    "manifest",
                    "base_model",
                    "fold_models",
                    "params:logit_caching",
                    "params:run",
                    "params:ingestion.data_root",
                    "params:tiles",
                    "params:engine",
                ],
                outputs=["logits", "map_manifest"],
                name="cache_logits",
            )
        ]
    )
