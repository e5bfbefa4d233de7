"""Settings of a data set: one block below `datasets:`. Those of its files are in `file_settings`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.canvas import ImageSize
from prn_pipeline.data.file_settings import BandSettings, ListPairing, MaskSettings, RegexPairing, StemPairing, is_unset
from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits, are_default
from prn_pipeline.data.splits.settings import RatioSplit, RelativePath, SplitSettings, StrictSettings


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
        description="Task `multiclass`: names of the class ids 0, 1, 2, ... in the mask files; with `annotations`, the"
        " background and the categories.",
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
    pairing: Annotated[StemPairing | RegexPairing | ListPairing, Field(discriminator="by")] = Field(
        default=StemPairing(), description="How an image finds its mask."
    )
    mask: MaskSettings = Field(default=MaskSettings(), description="Which values of a mask are foreground.")
    annotations: AnnotationSettings | None = Field(
        default=None,
        description="Files of outlines or run-length codes in place of `masks`; null: there are mask pictures.",
        exclude_if=is_unset,
    )
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
        exclude_if=is_unset,
    )
    first_page: bool = Field(
        default=False,
        description="Read the first page (or frame) of image files that have several; otherwise they are an error.",
        exclude_if=is_unset,
    )
    read_limits: ReadLimits = Field(
        default=DEFAULT_LIMITS,
        description="Largest file of an image or a mask, in memory and in pages.",
        exclude_if=are_default,
    )
    image_size: ImageSize = Field(
        default=256,
        description="Size of samples in pixels. One side: images are stretched to this square. `{long_side: 512}`: they"
        " keep their aspect and are padded to a square of this side, `[height, width]`: to this shape. No score counts"
        " padding, and no result shows it.",
    )
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
    def _annotations_replace_masks(self) -> Self:
        if self.annotations is None:
            return self
        given = [name for name in ("masks", "pairing", "mask", "ignore_region") if name in self._changed()]
        if given:
            raise ValueError(f"with `annotations`, there are no mask pictures: remove {', '.join(given)}")
        if self.classes and self.annotations.categories:
            raise ValueError("`classes` name the categories already: remove `annotations.categories`")
        return self

    @model_validator(mode="after")
    def _synthetic_stands_alone(self) -> Self:
        if self.reader == "folder" and self.synthetic is not None:
            raise ValueError("`synthetic` is for reader `synthetic`; remove it or set `reader: synthetic`")
        if self.reader == "synthetic":
            if self.split.method != "ratio" or self.split.group is not None:
                raise ValueError("reader `synthetic` has no files to read splits or groups from; use `method: ratio`")
            about_files = (
                "folder",
                "images",
                "masks",
                "pairing",
                "mask",
                "annotations",
                "ignore_region",
                "classes",
                "bands",
                "white",
                "first_page",
                "read_limits",
            )
            given = self._changed() & {*about_files}
            if given:
                raise ValueError(f"reader `synthetic` reads no files; remove {', '.join(sorted(given))}")
        return self

    def _changed(self) -> set[str]:
        """Keys whose values are not the defaults."""
        return {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}
