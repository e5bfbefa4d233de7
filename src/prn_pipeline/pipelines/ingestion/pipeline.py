"""ingestion: raw files to samples."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.ingestion.nodes import ingest


def create_pipeline(**kwargs: object) -> Pipeline:
    """One node."""
    return pipeline(
        [
            node(
                ingest,
                inputs=["params:dataset", "params:run.dataset", "params:ingestion.data_root"],
                outputs=["samples", "manifest"],
                name="ingest",
            )
        ]
    )
