"""Limits for files of images, masks and maps: how much memory one may take, and how many pages it may have."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.errors import UserError


class Declared(NamedTuple):
    """What the header of a file promises.

    Attributes:
        height: of its largest page, in pixels.
        width: likewise.
        bands: values of a pixel: channels, samples, planes.
        pages: pages, frames or slices.
        itemsize: bytes of a decoded value.
    """

    height: int
    width: int
    bands: int = 1
    pages: int = 1
    itemsize: int = 1

    @property
    def pixels(self) -> int:
        """Pixels of all pages."""
        return self.height * self.width * self.pages

    @property
    def nbytes(self) -> int:
        """Bytes of all values of all pages."""
        return self.pixels * self.bands * self.itemsize

    def __str__(self) -> str:
        pages = f", {self.pages} pages" if self.pages > 1 else ""
        bands = f", {self.bands} bands" if self.bands > 1 else ""
        return f"{self.width} x {self.height} pixels{bands}{pages}"


class ReadLimits(BaseModel):
    """Limits for one file, checked on its header before it is decoded.

    4 GiB are a scene of 37,000 x 37,000 pixels in RGB, or a map of 32,000 x 32,000 in float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gibibytes: float = Field(4.0, gt=0, description="largest array that a file may hold, decoded, in GiB")
    pages: int = Field(10_000, ge=1, description="most pages, frames or slices of a file")

    def check(self, declared: Declared, name: object, every_page: bool = True) -> None:
        """Raise UserError if the file `name` is too large to be decoded: all its pages, or the largest alone."""
        if declared.pages > self.pages:
            raise UserError(
                f"{name}: {declared.pages} pages, expected at most {self.pages}. Split the file, or raise"
                f" `read_limits.pages` {WHERE}."
            )
        decoded = declared if every_page else declared._replace(pages=1)
        if decoded.nbytes > self.gibibytes * 2**30:
            raise UserError(
                f"{name}: its header declares {decoded}, {decoded.nbytes / 2**30:.3g} GiB when decoded, expected at"
                f" most {self.gibibytes:g}. It may be damaged; cut it into tiles, or raise `read_limits.gibibytes`"
                f" {WHERE}."
            )


#: Where a user finds the key.
WHERE = "of the data set (for maps: of the base model; for a predictor: `predictor`)"
DEFAULT_LIMITS = ReadLimits()


def are_default(limits: Any) -> bool:
    """Whether limits are left out of dumps of settings, so that digests of older runs stay as they are."""
    return bool(limits == DEFAULT_LIMITS)
