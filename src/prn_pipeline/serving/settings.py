"""Settings of a predictor: those that a user can change, and what its run has fixed."""

from __future__ import annotations

from pydantic import Field

from prn_pipeline.data.canvas import Canvas, ImageSize, canvas_of
from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.read_limits import ReadLimits
from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
from prn_pipeline.serving.user_settings import DriftSettings, RequestLimits, ServingSettings
from prn_pipeline.training.tiles import Tiles

__all__ = ["DriftSettings", "PredictorSettings", "RequestLimits"]


class PredictorSettings(ServingSettings):
    """How images are prepared for the networks, and what their maps mean."""

    image_size: ImageSize = Field(
        description="as in the data set: side of the square that images are stretched to, or shape that they are padded"
        " to; masks are brought back to the size of their images"
    )
    bands: BandSettings | None = Field(
        None, description="bands of the images, as in the data set; null for 8-bit RGB images"
    )
    white: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="value of 16-bit pictures that becomes 255, measured at ingestion; null: all images had 8 bits",
        exclude_if=lambda white: white is None,
    )
    first_page: bool = Field(
        False,
        description="read the first page of files with several, as in the data set",
        exclude_if=lambda first_page: not first_page,
    )
    classes: tuple[str, ...] = Field((), description="names of the classes, by id; empty for foreground")
    tiles: Tiles = Field(Tiles(), description="tiles that larger images are cut into")
    made_by: str = Field("", description="run that trained the predictor: data set/base model/refiner/seed")
    learned_from: tuple[str, ...] = Field((), description="sha256 of the images that either network has seen")
    expected_iou: ExpectedIou | None = Field(
        None,
        description="how good a mask is likely to be, judged from its maps; null: nothing to fit it to",
        exclude_if=lambda expected_iou: expected_iou is None,
    )

    @property
    def canvas(self) -> Canvas:
        """Where an image lies in what the networks see."""
        return canvas_of(self.image_size)

    @property
    def reading(self) -> tuple[BandSettings | None, int | None, bool, ReadLimits]:
        """How image files are read: the last arguments of `sources.open_images` and `sources.decoded`."""
        return self.bands, self.white, self.first_page, self.read_limits
