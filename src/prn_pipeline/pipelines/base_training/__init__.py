"""Pipeline base_training."""

from prn_pipeline.pipelines.base_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
