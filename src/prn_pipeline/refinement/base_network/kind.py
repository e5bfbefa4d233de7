"""`network: base_network`: the base model's own network, trained further or again."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings

if TYPE_CHECKING:
    from prn_pipeline.refinement.base_network.refiner import BaseNetwork

#: From the settings of a base model to its network, without weights. A name, because this room knows no base models.
REBUILD = "prn_pipeline.segmentation.registry:rebuild_base_model"


class BaseNetworkKind:
    """See `protocol.RefinerKind`."""

    name = "base_network"
    settings = BaseNetworkSettings
    fitting = "prn_pipeline.refinement.base_network.fitting:fit_base_network"

    def build(self, settings: BaseNetworkSettings) -> BaseNetwork:
        """The network of the base model that the settings name, without weights.

        Raises:
            UserError: they name none, because the refiner was never trained.
        """
        from prn_pipeline.refinement.base_network.refiner import BaseNetwork

        if settings.base_model is None:
            raise UserError(
                "a refiner with network base_network takes its network from the base model that it is trained on: train"
                " it with the pipeline prn_training"
            )
        return BaseNetwork(settings, resolve_name(REBUILD)(settings.base_model))


BASE_NETWORK = BaseNetworkKind()
