"""Settings of the files of a data set: which belong together, and what their values mean."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prn_pipeline.data.splits.settings import RelativePath, StrictSettings, is_unset

_Channel = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[_Channel, _Channel, _Channel]


class StemPairing(StrictSettings):
    """An image and a mask belong together when their names without extension are equal."""

    by: Literal["stem"] = Field(default="stem", description="Pair files of equal stem; the stem is the sample id.")


class RegexPairing(StrictSettings):
    """An image and a mask belong together when group(1) of their own expressions is equal.

    An expression is searched in the file name; one that contains "/" is searched in the path below the data set's
    folder (below the split's folder with split method `folders`). Files it does not match are left out. A "/" inside
    the key becomes "_" in the sample id.
    """

    by: Literal["regex"] = Field(description="Pair files by a part of their names; that part is the sample id.")
    image: str = Field(description="Regular expression for image files; group(1) is the key.")
    mask: str = Field(description="Regular expression for mask (and ignore region) files; group(1) is the key.")


class ListPairing(StrictSettings):
    """Each line of a list names an image and its mask.

    Names are paths below the data set's folder (below the split's folder with split method `folders`), or below a
    folder above it, or file names; `images` and `masks` say which files there are. The sample id is the image's name
    without extension. Files that no line names are left out.
    """

    by: Literal["list"] = Field(description="Pair files as lists or tables say.")
    files: tuple[RelativePath, ...] = Field(
        min_length=1,
        description="Text files or tables below the data set's folder. Columns are separated by tabs, semicolons,"
        " commas or spaces; the first names the image, the second its mask.",
    )
    image: str | None = Field(
        default=None, description="Tables with a header: the column of the images; null: there is no header."
    )
    mask: str | None = Field(default=None, description="Tables with a header: the column of the masks.")

    @model_validator(mode="after")
    def _both_columns(self) -> Self:
        if (self.image is None) != (self.mask is None):
            raise ValueError("name both columns, `image` and `mask`, or none of them")
        return self


class MaskSettings(StrictSettings):
    """Which values of a mask file are foreground.

    Without `threshold` and `values`, a mask may hold 0 for background and one other value for foreground.
    """

    threshold: float | None = Field(default=None, description="Foreground where the value is above this number.")
    values: tuple[int, ...] | None = Field(default=None, description="Class ids that are foreground.", min_length=1)
    ignore_values: tuple[int, ...] = Field(default=(), description="Class ids of ignored pixels (255 in our masks).")
    colours: tuple[Colour, ...] | None = Field(
        default=None,
        min_length=2,
        description="Red, green and blue (0 to 255) of the class ids 0, 1, 2, ... in masks that show ids as colours.",
        exclude_if=is_unset,
    )
    masks_per_image: Literal["one", "union"] = Field(
        default="one",
        exclude_if=lambda value: value == "one",  # settings that do not use it keep their digest
        description="`union`: an image may have several mask files (and ignore regions), one per object for example; a"
        " pixel is foreground where any of them says so.",
    )
    absent: Literal["error", "leave_out", "background"] = Field(
        default="error",
        exclude_if=lambda value: value == "error",
        description="Images without a mask file: an error, left out as not labelled, or without any foreground.",
    )
    palette: Literal["index", "grey"] | None = Field(
        default=None,
        description="Values of files with a grey palette: the index, or the grey level; null: whichever agrees with the"
        " other keys. Any other palette gives the index.",
        exclude_if=is_unset,
    )
    alpha: Literal["ignore", "mask"] | None = Field(
        default=None,
        description="Files with transparency: `ignore` reads their colours, `mask` their alpha channel; null: the alpha"
        " channel where it alone varies.",
        exclude_if=is_unset,
    )
    pages: Literal["unite", "first"] | None = Field(
        default=None,
        description="Files of several pages or frames: `unite` the foreground of all, or read the `first`; null: an"
        " error.",
        exclude_if=is_unset,
    )
    zero_is_white: Literal["shown", "stored"] | None = Field(
        default=None,
        description="TIFF files in which 0 is white: read as they look, or as stored; null: as stored if a program for"
        " arrays wrote them (tifffile, ImageJ) or if they hold class ids.",
        exclude_if=is_unset,
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.threshold is not None and self.values is not None:
            raise ValueError("give either `threshold` or `values`, not both")
        if self.colours is not None and len(set(self.colours)) < len(self.colours):
            raise ValueError("`colours` lists a colour twice: each stands for one class id")
        both = sorted(set(self.values or ()) & set(self.ignore_values))
        if both:
            raise ValueError(f"{both} cannot be both in `values` and in `ignore_values`")
        return self


class BandSettings(StrictSettings):
    """Images that are not 8-bit RGB."""

    count: int = Field(ge=1, le=512, description="Number of bands of an image.")
    low: float | None = Field(
        default=None, description="Value that becomes 0; null: 0 of the integer type of the file."
    )
    high: float | None = Field(
        default=None, description="Value that becomes 255; null: the largest value of that type."
    )

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("give both `low` and `high`, or neither")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        return self
