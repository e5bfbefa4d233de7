"""What a predictor knows beside its networks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.data.settings import BandSettings
from prn_pipeline.training.tiling import Tiles


class PredictorSettings(BaseModel):
    """How images come to the networks, and what their maps mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: int = Field(ge=16, description="images are stretched to this height and width, as in training")
    bands: BandSettings | None = Field(
        None, description="of images that are not RGB of 8 bits, as the data set has them"
    )
    tiles: Tiles = Field(Tiles(), description="that larger images are cut into")
    batch_size: int = Field(16, ge=1, description="images a forward pass")
