"""Settings of a predictor."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits, are_default
from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
from prn_pipeline.training.tiling import Tiles


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


class PredictorSettings(ServingSettings):
    """How images are prepared for the networks, and what their maps mean."""

    image_size: int = Field(ge=16, description="images are stretched to this height and width, as in training")
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
    def reading(self) -> tuple[BandSettings | None, int | None, bool, ReadLimits]:
        """How image files are read: the last arguments of `sources.open_images` and `sources.decoded`."""
        return self.bands, self.white, self.first_page, self.read_limits
