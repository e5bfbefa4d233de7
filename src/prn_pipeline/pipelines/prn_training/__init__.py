"""Pipeline prn_training."""

from prn_pipeline.pipelines.prn_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
