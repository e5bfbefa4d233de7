"""Settings of several maps per image: of several models, or of several passes of one model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.read_limits import ReadLimits
from prn_pipeline.data.readers.map_reading import Fit, MapReading, Orientation, Values
from prn_pipeline.data.splits.settings import RelativePath

_INHERITED = "as in the base model's block"


def _is_none(value: Any) -> bool:
    return value is None


def inherited(description: str = _INHERITED) -> Any:
    """A field that is None, and left out of dumps, where the block around it decides."""
    return Field(None, exclude_if=_is_none, description=description)


class OneMap(BaseModel):
    """Maps of one model or of one pass; in YAML the folder alone, or a block of what differs from the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: RelativePath = Field(description="sub-folder, file or glob pattern below the data set's folder")
    name: str | None = inherited()
    values: Values | None = inherited()
    scale: float | None = inherited()
    foreground: int | None = inherited()
    class_channels: tuple[int, ...] | None = inherited()
    fit: Fit | None = inherited()
    orientation: Orientation | None = inherited()
    read_limits: ReadLimits | None = inherited()

    @model_validator(mode="before")
    @classmethod
    def _folder_alone(cls, values: Any) -> Any:
        return {"folder": values} if isinstance(values, str) else values


class MapPlace(MapReading):
    """Where maps are and how they are read, with every inherited key filled in."""

    folder: RelativePath
    name: str | None = None

    @property
    def reading(self) -> MapReading:
        """How the maps are read."""
        return MapReading.model_validate({key: getattr(self, key) for key in MapReading.model_fields})


def place_of(block: MapReading, one: OneMap | None = None) -> MapPlace:
    """The place of maps that a block names itself, or of one of its maps.

    Raises:
        pydantic.ValidationError: the keys of both contradict each other.
    """
    common = {key: getattr(block, key) for key in MapPlace.model_fields}
    own = {} if one is None else one.model_dump(exclude_none=True)
    if own.get("values") == "logits" and "scale" not in own:
        common["scale"] = None  # logits have none, whatever the scale of the other maps
    return MapPlace.model_validate(common | own)


def labels_of(places: Sequence[MapPlace]) -> list[str]:
    """A short name for each of several maps, of letters, digits and underscores: the last part of its folder.

    Where names are equal the whole folder is used, and then numbers.
    """
    labels = [_as_name(PurePosixPath(place.folder).stem) for place in places]
    if len(set(labels)) < len(labels):
        labels = [_as_name(place.folder) for place in places]
    counts = Counter(labels)
    return [f"{label}_{number}" if counts[label] > 1 else label for number, label in enumerate(labels, start=1)]


def _as_name(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_") or "map"
