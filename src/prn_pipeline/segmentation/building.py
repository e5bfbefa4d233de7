"""From settings to a base model."""

from __future__ import annotations

from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.few_shot import FewShotModel
from prn_pipeline.segmentation.settings import AnyBaseModelSettings, FewShotSettings, MapFilesSettings, ModuleSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.segmentation.torch_module import ImportedModel


class MapFiles(nn.Module):
    """Stands for a model that only its maps are known of: no weights, and no map of an image that has none."""

    def __init__(self, settings: MapFilesSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, images: Tensor) -> Tensor:
        """Raise UserError: there is nothing to run."""
        raise UserError("this base model is a folder of maps: it cannot be run on other images")


#: What can be run.
RunnableModel = BaseModel | ImportedModel | FewShotModel
AnyBaseModel = RunnableModel | MapFiles


def build_base_model(settings: AnyBaseModelSettings, pretrained: bool = True) -> AnyBaseModel:
    """The base model that `settings` describe.

    Args:
        settings: of any kind.
        pretrained: fetch or read the weights that they name; False when weights are about to be loaded anyway.

    Raises:
        UserError: it cannot be built.
    """
    if isinstance(settings, MapFilesSettings):
        return MapFiles(settings)
    if isinstance(settings, FewShotSettings):
        return FewShotModel(settings, pretrained)
    if isinstance(settings, ModuleSettings):
        return ImportedModel(settings, pretrained)
    return BaseModel(settings, pretrained)
