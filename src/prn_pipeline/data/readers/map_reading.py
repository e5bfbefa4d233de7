"""How the files of a folder of maps are read: what their values, channels and pixels mean."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits, are_default

#: Meaning of stored values. A double sigmoid is what a program writes that applies a sigmoid to probabilities.
Values = Literal["probabilities", "logits", "double_sigmoid"]
#: How the pixels of a map lie on its image.
Fit = Literal[
    "stretch",
    "letterbox",
    "top_left",
    "bottom_right",
    "unscaled_letterbox",
    "unscaled_top_left",
    "unscaled_bottom_right",
]
#: What undoes the way in which the maps are turned.
Orientation = Literal[
    "upright",
    "transposed",
    "left_right",
    "top_bottom",
    "rotated_90",
    "rotated_180",
    "rotated_270",
    "antitransposed",
]


#: Keys that say nothing about what the maps are; `values` has no name in an identity.
_NOT_OF_MAPS = frozenset({"values", "read_limits"})


def _is_default(value: Any) -> bool:
    return value in (None, "stretch", "upright")


class MapReading(BaseModel):
    """How maps are read. Keys at their defaults are left out of dumps, so that older dumps compare equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: Values = Field("probabilities", description="meaning of the stored values: see `Values`")
    scale: float | None = Field(
        None,
        gt=0,
        exclude_if=_is_default,
        description="stored value that means a probability of 1, such as 255 or 100; null: 1, or the largest value of"
        " integers of 8 or 16 bits",
    )
    foreground: int | None = Field(
        None,
        ge=0,
        exclude_if=_is_default,
        description="channel of the foreground in maps of several channels; 0 for maps of one channel that hold the"
        " probability of background; null: the second of two channels",
    )
    class_channels: tuple[int, ...] | None = Field(
        None,
        exclude_if=_is_default,
        description="channel of each class, in the order of the data set's `classes`; null: 0, 1, 2, ...",
    )
    fit: Fit = Field(
        "stretch",
        exclude_if=_is_default,
        description="how the model's input showed images: stretch; or padded to its shape with letterbox (padding on"
        " both sides alike), top_left (padding at the right or at the bottom) or bottom_right; with the prefix"
        " unscaled_ if images kept their size and were padded only, such as to a multiple of 32",
    )
    orientation: Orientation = Field(
        "upright", exclude_if=_is_default, description="how maps are turned against their images"
    )

    read_limits: ReadLimits = Field(
        DEFAULT_LIMITS, exclude_if=are_default, description="largest map, in memory and in pages"
    )

    @model_validator(mode="after")
    def _scale_is_of_probabilities(self) -> MapReading:
        if self.values == "logits" and self.scale is not None:
            raise ValueError(f"scale is {self.scale:g}, but logits have no scale: remove `scale` or correct `values`")
        return self

    @property
    def holds_logits(self) -> bool:
        """Whether files hold logits: of a softmax if there are several channels."""
        return self.values == "logits"

    def identity(self) -> str:
        """A string that is equal for equal readings: the values alone, if nothing else is set."""
        others = {name: getattr(self, name) for name in sorted(MapReading.model_fields) if name not in _NOT_OF_MAPS}
        return self.values + "".join(f"\0{name}={value}" for name, value in others.items() if not _is_default(value))
