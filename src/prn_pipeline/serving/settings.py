"""What a predictor knows beside its networks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.data.settings import BandSettings
from prn_pipeline.training.tiling import Tiles


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DriftSettings(_Strict):
    """When new images are called different from those that the refiner learned from."""

    level: float = Field(0.01, gt=0, lt=1, description="p of all distances together below which one is told")
    least: float = Field(0.2, ge=0, description="smaller distances are not told, however certain")
    images: int = Field(10, ge=2, description="fewer new images say nothing")


class RequestLimits(_Strict):
    """What one request to a server may ask for."""

    images: int = Field(32, ge=1)
    megapixels: int = Field(50, ge=1, description="of one image")
    megabytes: int = Field(64, ge=1, description="of one image's file")


class ServingSettings(_Strict):
    """What a user may set of a predictor."""

    batch_size: int = Field(16, ge=1, description="images a forward pass")
    drift: DriftSettings = DriftSettings()
    limits: RequestLimits = RequestLimits()


class PredictorSettings(ServingSettings):
    """How images come to the networks, and what their maps mean."""

    image_size: int = Field(ge=16, description="images are stretched to this height and width, as in training")
    bands: BandSettings | None = Field(
        None, description="of images that are not RGB of 8 bits, as the data set has them"
    )
    classes: tuple[str, ...] = Field((), description="names of the classes, by id; none of foreground")
    tiles: Tiles = Field(Tiles(), description="that larger images are cut into")
    made_by: str = Field("", description="the run that it comes from: data set/base model/refiner/seed")
    learned_from: tuple[str, ...] = Field((), description="sha256 of the images that one of the networks has seen")
