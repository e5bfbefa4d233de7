"""The kinds of base models: the name, the settings and the class of each.

A kind knows its settings at once, and imports its class when a base model is built: parameters are checked in every
process, and most of them need no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.settings import BaseModelSettings, FewShotSettings, MapFilesSettings

if TYPE_CHECKING:
    from prn_pipeline.segmentation.few_shot import FewShotModel
    from prn_pipeline.segmentation.map_files import MapFiles
    from prn_pipeline.segmentation.smp_model import BaseModel
    from prn_pipeline.segmentation.torch_module import ImportedModel


class SmpKind:
    """See `protocol.MapSourceKind`."""

    name = "smp"
    settings = BaseModelSettings

    def build(self, settings: BaseModelSettings, pretrained: bool) -> BaseModel:
        """The network that settings describe."""
        from prn_pipeline.segmentation.smp_model import BaseModel

        return BaseModel(settings, pretrained)


class TorchModuleKind:
    """See `protocol.MapSourceKind`."""

    name = "module"
    settings = ModuleSettings

    def build(self, settings: ModuleSettings, pretrained: bool) -> ImportedModel:
        """The imported module that settings describe."""
        from prn_pipeline.segmentation.torch_module import ImportedModel

        return ImportedModel(settings, pretrained)


class FewShotKind:
    """See `protocol.MapSourceKind`."""

    name = "few_shot"
    settings = FewShotSettings

    def build(self, settings: FewShotSettings, pretrained: bool) -> FewShotModel:
        """The network that settings describe."""
        from prn_pipeline.segmentation.few_shot import FewShotModel

        return FewShotModel(settings, pretrained)


class MapFilesKind:
    """See `protocol.MapSourceKind`."""

    name = "maps"
    settings = MapFilesSettings

    def build(self, settings: MapFilesSettings, pretrained: bool) -> MapFiles:
        """The folder of maps that settings describe."""
        from prn_pipeline.segmentation.map_files import MapFiles

        return MapFiles(settings)


SMP = SmpKind()
TORCH_MODULE = TorchModuleKind()
FEW_SHOT = FewShotKind()
MAP_FILES = MapFilesKind()
