"""Settings of augmentation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AugmentationSettings(BaseModel):
    """Random changes of training samples, and their ranges. All are off by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flips: bool = Field(False, description="mirror left-right and top-bottom, each with probability 1/2")
    turns: bool = Field(False, description="turn by a multiple of 90 degrees")
    brightness: float = Field(0.0, ge=0, lt=1, description="image values times 1 +- this")
    contrast: float = Field(0.0, ge=0, lt=1, description="image contrast times 1 +- this")
    saturation: float = Field(0.0, ge=0, lt=1, description="image saturation times 1 +- this")
    hue: float = Field(0.0, ge=0, le=0.5, description="image hue rotated by up to this fraction of the circle")
    scale: float = Field(0.0, ge=0, lt=1, description="zoom by 1 +- this, about the centre")
    rotation: float = Field(0.0, ge=0, le=180, description="rotate by up to this many degrees, about the centre")
    blur: float = Field(0.0, ge=0, le=1, description="probability of a slight Gaussian blur of the image")
    crop: int | None = Field(None, gt=0, description="side of a random crop in pixels; null trains on whole samples")
