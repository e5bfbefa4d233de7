"""ingestion: raw files to samples."""

from kedro.pipeline import Pipeline, node, pipeline

from prn_pipeline.pipelines.ingestion.nodes import draw_samples, ingest


def create_pipeline(**kwargs: object) -> Pipeline:
    """Two nodes: the samples, and a sheet that shows some of them."""
    return pipeline(
        [
            node(
                ingest,
                inputs=["params:dataset", "params:run.dataset", "params:ingestion.data_root"],
                outputs=["samples", "manifest", "dataset_summary"],
                name="ingest",
            ),
            node(
                draw_samples,
                inputs=["params:dataset", "samples", "manifest"],
                outputs="sample_sheet",
                name="draw_samples",
            ),
        ]
    )
