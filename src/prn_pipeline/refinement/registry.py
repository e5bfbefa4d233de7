"""Every kind of refiner, by the value of `network` in its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag, TypeAdapter

from prn_pipeline.errors import UserError, unknown_name
from prn_pipeline.refinement.base_network.kind import BASE_NETWORK
from prn_pipeline.refinement.patch_refine_net.kind import PATCH_REFINE_NET
from prn_pipeline.refinement.region_detail.kind import REGION_DETAIL
from prn_pipeline.refinement.trees.kind import TREES

if TYPE_CHECKING:
    from prn_pipeline.refinement.protocol import Refiner, RefinerKind, RefinerSettings

KINDS = (PATCH_REFINE_NET, REGION_DETAIL, TREES, BASE_NETWORK)
REFINERS: dict[str, RefinerKind] = {kind.name: kind for kind in KINDS}


def _network(values: Any) -> str:
    return str(values.get("network", PATCH_REFINE_NET.name) if isinstance(values, dict) else values.network)


def settings_adapter() -> TypeAdapter[RefinerSettings]:
    """Adapter for the settings of any kind of refiner; the tag is their `network`.

    Its validation errors are pydantic's; their locations start with the kind.
    """
    kinds = tuple(Annotated[kind.settings, Tag(name)] for name, kind in REFINERS.items())
    union: Any = Annotated[Union[kinds], Discriminator(_network)]  # noqa: UP007
    return TypeAdapter(union)


def kind_of(values: Any) -> RefinerKind:
    """The kind of refiner that settings, or a dict of settings, belong to.

    Raises:
        UserError: the network is unknown.
    """
    name = _network(values)
    if name not in REFINERS:
        raise UserError(unknown_name("refiner network", name, REFINERS))
    return REFINERS[name]


def read_settings(values: dict[str, Any]) -> RefinerSettings:
    """Settings from a dict, such as the JSON of a trained refiner.

    Raises:
        UserError: the network is unknown.
        pydantic.ValidationError: a field is unknown or has a wrong value.
    """
    kind_of(values)
    return settings_adapter().validate_python(values)


def build_refiner(settings: Any) -> Refiner:
    """The untrained refiner that settings describe."""
    return kind_of(settings).build(settings)


def rebuild_refiner(values: dict[str, Any]) -> Refiner:
    """The refiner that a stored JSON describes, ready for its weights."""
    return build_refiner(read_settings(values))
