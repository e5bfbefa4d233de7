"""Pipeline logit_caching."""

from prn_pipeline.pipelines.logit_caching.pipeline import create_pipeline

__all__ = ["create_pipeline"]
