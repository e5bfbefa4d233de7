"""A refiner by name: network, inputs, loss, fusion."""

from typing import Any

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

RefinerSettings = PatchRefineNetSettings | RegionDetailSettings

#: Settings by the name of their network.
NETWORKS: dict[str, type[PatchRefineNetSettings] | type[RegionDetailSettings]] = {
    "patch_refine_net": PatchRefineNetSettings,
    "region_detail": RegionDetailSettings,
}


def settings_class(values: dict[str, Any]) -> type[PatchRefineNetSettings] | type[RegionDetailSettings]:
    """Which settings `values` are, by their `network`.

    Raises:
        UserError: there is no such network.
    """
    name = values.get("network", "patch_refine_net")
    if name not in NETWORKS:
        raise UserError(f"network {name!r} of a refiner is unknown; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def read_settings(values: dict[str, Any]) -> RefinerSettings:
    """Settings from their dict, e.g. of a trained refiner's JSON."""
    return settings_class(values).model_validate(values)
