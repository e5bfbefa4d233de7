"""Pipeline pseudo_labelling."""

from prn_pipeline.pipelines.pseudo_labelling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
