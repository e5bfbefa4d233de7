"""Settings of a data set: one block below `datasets:`. All defaults are in this file."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits, are_default
from prn_pipeline.data.splits.settings import RatioSplit, RelativePath, SplitSettings, StrictSettings


def _is_unset(value: object) -> bool:
    """Newer keys are left out of dumps where they have no effect, so that digests of older runs stay as they are."""
    return value is None or value is False


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


class MaskSettings(StrictSettings):
    """Which values of a mask file are foreground.

    Without `threshold` and `values`, a mask may hold 0 for background and one other value for foreground.
    """

    threshold: float | None = Field(default=None, description="Foreground where the value is above this number.")
    values: tuple[int, ...] | None = Field(default=None, description="Class ids that are foreground.", min_length=1)
    ignore_values: tuple[int, ...] = Field(default=(), description="Class ids of ignored pixels (255 in our masks).")
    masks_per_image: Literal["one", "union"] = Field(
        default="one",
        exclude_if=lambda value: value == "one",  # settings that do not use it keep their digest
        description="`union`: an image may have several mask files (and ignore regions), one per object for example; a"
        " pixel is foreground where any of them says so.",
    )
    palette: Literal["index", "grey"] | None = Field(
        default=None,
        description="Values of files with a grey palette: the index, or the grey level; null: whichever agrees with the"
        " other keys. Any other palette gives the index.",
        exclude_if=_is_unset,
    )
    alpha: Literal["ignore", "mask"] | None = Field(
        default=None,
        description="Files with transparency: `ignore` reads their colours, `mask` their alpha channel; null: the alpha"
        " channel where it alone varies.",
        exclude_if=_is_unset,
    )
    pages: Literal["unite", "first"] | None = Field(
        default=None,
        description="Files of several pages or frames: `unite` the foreground of all, or read the `first`; null: an"
        " error.",
        exclude_if=_is_unset,
    )
    zero_is_white: Literal["shown", "stored"] | None = Field(
        default=None,
        description="TIFF files in which 0 is white: read as they look, or as stored; null: as stored if a program for"
        " arrays wrote them (tifffile, ImageJ) or if they hold class ids.",
        exclude_if=_is_unset,
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.threshold is not None and self.values is not None:
            raise ValueError("give either `threshold` or `values`, not both")
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


class SyntheticSettings(StrictSettings):
    """The embedded data set: drawn aerial scenes with roads."""

    count: int = Field(default=240, ge=3, description="Number of scenes.")
    size: int = Field(default=128, ge=32, description="Height and width of a scene in pixels.")
    seed: int = Field(default=0, ge=0, description="Seed of the drawing; the same seed draws the same scenes.")


#: Names of the readers in `readers.factory.READERS`.
ReaderName = Literal["folder", "synthetic"]


class DatasetSettings(StrictSettings):
    """One data set."""

    reader: ReaderName = Field(
        default="folder", description="`folder`: image files on disk; `synthetic`: drawn scenes."
    )
    task: Literal["binary", "saliency", "multiclass", "few_shot"] = Field(
        default="binary",
        description="`binary`: foreground or not; `saliency`: the same, with the saliency measures of maps;"
        " `multiclass`: each pixel is one of `classes`; `few_shot`: objects given by examples, named by `split.group`.",
    )
    classes: tuple[str, ...] = Field(
        default=(),
        description="Task `multiclass`: names of the class ids 0, 1, 2, ... in the mask files.",
        max_length=254,
    )
    folder: RelativePath | None = Field(
        default=None, description="Folder of the data set below the data root; null: the data set's own name."
    )
    images: RelativePath = Field(
        default="images", description="Sub-folder of the images, or a glob pattern below `folder`."
    )
    masks: RelativePath = Field(
        default="masks", description="Sub-folder of the masks, or a glob pattern below `folder`."
    )
    pairing: Annotated[StemPairing | RegexPairing, Field(discriminator="by")] = Field(
        default=StemPairing(), description="How an image finds its mask."
    )
    mask: MaskSettings = Field(default=MaskSettings(), description="Which values of a mask are foreground.")
    ignore_region: RelativePath | None = Field(
        default=None,
        description="Sub-folder (or glob) of region masks, paired like masks; pixels whose region is 0 are ignored.",
    )
    bands: BandSettings | None = Field(
        default=None, description="For images with other than three bands or more than 8 bits; null: 8-bit RGB."
    )
    white: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Value of 16-bit pictures (without `bands`) that becomes 255; null: measured over the data set: the"
        " largest value of 8, 10, 12, 14 or 16 bits, whichever its pictures use.",
        exclude_if=_is_unset,
    )
    first_page: bool = Field(
        default=False,
        description="Read the first page (or frame) of image files that have several; otherwise they are an error.",
        exclude_if=_is_unset,
    )
    read_limits: ReadLimits = Field(
        default=DEFAULT_LIMITS,
        description="Largest file of an image or a mask, in memory and in pages.",
        exclude_if=are_default,
    )
    image_size: int = Field(default=256, ge=16, description="Samples are stretched to this height and width.")
    split: SplitSettings = Field(default=RatioSplit(), description="How samples are assigned to train, val and test.")
    folds: int = Field(default=5, ge=2, description="Folds over train and val for out-of-fold maps.")
    training_share: float = Field(
        default=1.0,
        gt=0,
        description="Factor on the number of epochs of base models and refiners on these data.",
    )
    synthetic: SyntheticSettings | None = Field(
        default=None, description="Only for reader `synthetic`; null: its defaults."
    )

    @property
    def channels(self) -> int:
        """Number of bands of an image."""
        return self.bands.count if self.bands else 3

    @property
    def maps_per_image(self) -> int:
        """1 for foreground alone; with several classes, one map per class: that class against all others."""
        return len(self.classes) or 1

    @model_validator(mode="after")
    def _classes_of_a_task(self) -> Self:
        if (self.task == "multiclass") != bool(self.classes):
            raise ValueError(
                "`classes` and `task: multiclass` go together: name the class ids 0, 1, 2, ... of mask files in order"
            )
        if self.classes and (len(set(self.classes)) < len(self.classes) or len(self.classes) < 2):
            raise ValueError(f"classes {list(self.classes)}: at least two different names are expected")
        if self.task == "few_shot" and self.split.group is None:
            raise ValueError(
                "`task: few_shot` needs `split.group`, which gives each image the category that its mask shows"
            )
        if self.classes and (self.mask.threshold is not None or self.mask.values is not None):
            raise ValueError("with `classes`, masks hold class ids: remove `mask.threshold` and `mask.values`")
        if self.classes and self.mask.pages == "unite":
            raise ValueError(
                "with `classes`, pages cannot be united: save class ids in one page, and remove `mask.pages`"
            )
        if self.bands and (self.white or self.first_page):
            raise ValueError("`white` and `first_page` are for pictures without `bands`: use `bands.low` and `.high`")
        return self

    @model_validator(mode="after")
    def _synthetic_stands_alone(self) -> Self:
        if self.reader == "folder" and self.synthetic is not None:
            raise ValueError("`synthetic` is for reader `synthetic`; remove it or set `reader: synthetic`")
        if self.reader == "synthetic":
            if self.split.method != "ratio" or self.split.group is not None:
                raise ValueError("reader `synthetic` has no files to read splits or groups from; use `method: ratio`")
            fields = type(self).model_fields
            about_files = (
                "folder",
                "images",
                "masks",
                "pairing",
                "mask",
                "ignore_region",
                "classes",
                "bands",
                "white",
                "first_page",
                "read_limits",
            )
            given = [name for name in about_files if getattr(self, name) != fields[name].default]
            if given:
                raise ValueError(f"reader `synthetic` reads no files; remove {', '.join(sorted(given))}")
        return self
