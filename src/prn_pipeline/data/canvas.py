"""The shape of all stored samples of a data set, and where in it an image lies: everywhere, or between padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: Attribute of a manifest: its samples keep their aspect and are padded. Absent where they are stretched.
LETTERBOXED = "letterboxed"

#: Smallest height and width.
LEAST = 16


class LongSide(BaseModel):
    """Samples are squares, and the longer side of an image fills one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    long_side: int = Field(ge=LEAST, description="Height and width of samples in pixels.")


def _one_of_the_forms(value: Any) -> Any:
    """The value, if it has one of the forms: else one error, instead of one for each form."""
    sides = value
    if isinstance(value, LongSide):
        sides = [value.long_side]
    elif isinstance(value, Mapping):
        sides = list(value.values()) if set(value) == {"long_side"} else None
    elif not isinstance(value, list | tuple):
        sides = [value]
    elif len(value) != 2:
        sides = None
    if sides is None or not all(isinstance(side, int) and side >= LEAST for side in sides):
        raise ValueError(
            f"expected pixels, at least {LEAST}: a number, such as 256, `{{long_side: 512}}`, or `[height, width]`"
        )
    return value


#: One side: a square, to which images are stretched. Otherwise they keep their aspect and are padded.
ImageSize: TypeAlias = Annotated[int | tuple[int, int] | LongSide, BeforeValidator(_one_of_the_forms)]


class Region(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def of(self, maps: Any) -> Any:
        """This part of maps or masks (..., H, W)."""
        return maps[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def of_images(self, images: Any) -> Any:
        """This part of images (..., H, W, bands)."""
        return images[..., self.top : self.top + self.height, self.left : self.left + self.width, :]


class Canvas(NamedTuple):
    """The shape of a sample.

    Attributes:
        height: in pixels.
        width: in pixels.
        letterboxed: whether images keep their aspect and are padded; otherwise they are stretched.
    """

    height: int
    width: int
    letterboxed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def shown(self) -> str:
        """For messages and identities: "256", or "256x512" where images keep their aspect."""
        return f"{self.height}x{self.width}" if self.letterboxed else str(self.height)

    def region(self, native: tuple[int, int]) -> Region:
        """Where an image of this height and width lies: in the middle, as large as its aspect allows."""
        if not self.letterboxed:
            return Region(0, 0, self.height, self.width)
        factor = min(self.height / native[0], self.width / native[1])
        height = min(self.height, max(1, round(native[0] * factor)))
        width = min(self.width, max(1, round(native[1] * factor)))
        return Region((self.height - height) // 2, (self.width - width) // 2, height, width)

    def padding(self, region: Region) -> tuple[tuple[int, int], tuple[int, int]]:
        """Pixels before and after a region, of rows and of columns."""
        below, right = self.height - region.top - region.height, self.width - region.left - region.width
        return (region.top, below), (region.left, right)


def canvas_of(size: ImageSize | Sequence[int] | Mapping[str, int]) -> Canvas:
    """The canvas of a data set's `image_size`, as its settings or their dump have it."""
    if isinstance(size, int):
        return Canvas(size, size)
    if isinstance(size, LongSide):
        return Canvas(size.long_side, size.long_side, True)
    if isinstance(size, Mapping):
        return Canvas(size["long_side"], size["long_side"], True)
    height, width = size
    return Canvas(height, width, True)
