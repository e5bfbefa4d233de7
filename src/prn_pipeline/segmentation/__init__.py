"""Base models: anything that gives every pixel a foreground logit."""

from prn_pipeline.segmentation.building import AnyBaseModel, MapFiles, RunnableModel, build_base_model
from prn_pipeline.segmentation.few_shot import FewShotModel
from prn_pipeline.segmentation.settings import (
    AnyBaseModelSettings,
    BaseModelSettings,
    FewShotSettings,
    MapFilesSettings,
    ModuleSettings,
    read_base_settings,
)
from prn_pipeline.segmentation.smp_model import BaseModel, architecture_names
from prn_pipeline.segmentation.torch_module import ImportedModel

__all__ = [
    "AnyBaseModel",
    "AnyBaseModelSettings",
    "BaseModel",
    "BaseModelSettings",
    "FewShotModel",
    "FewShotSettings",
    "ImportedModel",
    "MapFiles",
    "MapFilesSettings",
    "ModuleSettings",
    "RunnableModel",
    "architecture_names",
    "build_base_model",
    "read_base_settings",
]
