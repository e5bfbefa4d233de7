"""Every kind of base model, by the value of `kind` in its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag, TypeAdapter

from prn_pipeline.errors import UserError, unknown_name
from prn_pipeline.segmentation.imported_code import stored_settings
from prn_pipeline.segmentation.kinds import FEW_SHOT, MAP_FILES, SMP, TORCH_MODULE

if TYPE_CHECKING:
    from prn_pipeline.segmentation.protocol import MapSource, MapSourceKind, MapSourceSettings

MAP_SOURCES: dict[str, MapSourceKind] = {kind.name: kind for kind in (SMP, TORCH_MODULE, FEW_SHOT, MAP_FILES)}


def _kind(values: Any) -> str:
    return str(values.get("kind", SMP.name) if isinstance(values, dict) else values.kind)


def settings_adapter() -> TypeAdapter[MapSourceSettings]:
    """Adapter for the settings of any kind of base model; the tag is their `kind`.

    Its validation errors are pydantic's; their locations start with the kind.
    """
    kinds = tuple(Annotated[kind.settings, Tag(name)] for name, kind in MAP_SOURCES.items())
    union: Any = Annotated[Union[kinds], Discriminator(_kind)]  # noqa: UP007
    return TypeAdapter(union)


def kind_of(values: Any) -> MapSourceKind:
    """The kind of base model that settings, or a dict of settings, belong to.

    Raises:
        UserError: the kind is unknown.
    """
    name = _kind(values)
    if name not in MAP_SOURCES:
        raise UserError(unknown_name("kind of base model", name, MAP_SOURCES))
    return MAP_SOURCES[name]


def read_base_settings(values: dict[str, Any]) -> MapSourceSettings:
    """Settings from a dict, such as the JSON of a trained base model.

    Raises:
        UserError: the kind is unknown.
        pydantic.ValidationError: a field is unknown or has a wrong value.
    """
    kind_of(values)
    return settings_adapter().validate_python(values)


def build_base_model(settings: Any, pretrained: bool = True) -> MapSource:
    """The base model that settings describe.

    Args:
        settings: settings of any kind.
        pretrained: download or read the weights that the settings name; False if the caller loads weights.

    Raises:
        UserError: the model cannot be built.
    """
    source: MapSource = kind_of(settings).build(settings, pretrained)
    return source


def rebuild_base_model(values: dict[str, Any]) -> MapSource:
    """The base model that a stored JSON describes, ready for its weights.

    Raises:
        UserError: as `build_base_model`; or its target is no class of modules: see `imported_code`.
    """
    with stored_settings():
        return build_base_model(read_base_settings(values), pretrained=False)


def require_current(source: MapSource, values: dict[str, Any], name: str) -> None:
    """Raise UserError if a stored base model has other settings than those of the run, `values`.

    Args:
        source: the base model that base_training stored.
        values: settings of the run.
        name: of the base model.
    """
    stored, current = source.settings.model_dump(mode="json"), read_base_settings(values).model_dump(mode="json")
    changed = sorted(key for key in stored.keys() | current.keys() if stored.get(key) != current.get(key))
    if changed:
        keys = ", ".join(f"{key} ({stored.get(key)}, now {current.get(key)})" for key in changed)
        raise UserError(
            f"the settings of base model {name!r} have changed since it was stored: {keys}. Run stage base_training"
            " again, or all stages with `kedro run`"
        )


def can_be_trained(settings: Any, shape: tuple[int, int]) -> bool:
    """Whether a base model has a loss, and its output for images of this height and width depends on weights
    that can change.

    Raises:
        UserError: the model cannot be built, or does not support the size.
    """
    import torch

    from prn_pipeline.training.inference import DEFAULT_TILES

    model: Any = build_base_model(settings, pretrained=False)
    sides = [min(side, DEFAULT_TILES.size) for side in shape]
    for side in sorted(set(sides)):
        model.check_size(side)
    image = torch.zeros(1, settings.channels, *sides, dtype=torch.uint8)
    return hasattr(settings, "loss") and bool(model.eval()(image).requires_grad)
