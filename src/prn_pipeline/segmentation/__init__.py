"""Base models: anything that gives every pixel a foreground logit."""

from prn_pipeline.segmentation.model import BaseModel, architecture_names, check_size
from prn_pipeline.segmentation.settings import BaseModelSettings

__all__ = ["BaseModel", "BaseModelSettings", "architecture_names", "check_size"]
