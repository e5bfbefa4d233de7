"""Settings of a predictor that a user can change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits, are_default


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DriftSettings(_Strict):
    """When new images count as different from those that the refiner learned from."""

    level: float = Field(0.01, gt=0, lt=1, description="significance level of all distances together (Bonferroni)")
    least: float = Field(0.2, ge=0, description="smallest distance that is reported; smaller ones are ignored")
    images: int = Field(20, ge=2, description="smallest number of new images for a drift check")


class RequestLimits(_Strict):
    """Limits of one request to a server."""

    images: int = Field(32, ge=1, description="images per request")
    megapixels: int = Field(50, ge=1, description="millions of pixels per image, of all its pages together")
    megabytes: int = Field(64, ge=1, description="size of an image file, in MiB")
    request_megabytes: int = Field(512, ge=1, description="size of all files of a request together, in MiB")


class ServingSettings(_Strict):
    """The settings of a predictor that a user can change."""

    batch_size: int = Field(16, ge=1, description="images per forward pass")
    drift: DriftSettings = DriftSettings()
    limits: RequestLimits = RequestLimits()
    read_limits: ReadLimits = Field(
        DEFAULT_LIMITS, description="largest file of an image, in memory and in pages", exclude_if=are_default
    )
