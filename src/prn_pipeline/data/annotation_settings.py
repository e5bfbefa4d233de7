"""Settings of annotation files, which hold outlines or codes in place of mask pictures."""

from typing import Literal

from pydantic import Field

from prn_pipeline.data.splits.settings import RelativePath, StrictSettings, is_unset

#: Names of the formats in `readers.annotations.registry.FORMATS`.
AnnotationFormat = Literal["coco", "yolo", "labelme", "cvat", "via", "via_csv", "run_lengths"]


class AnnotationSettings(StrictSettings):
    """Where the annotations are, and which of them are foreground.

    With `task: multiclass`, `classes` name the categories instead, the background first.
    """

    format: AnnotationFormat = Field(description="Of the files.")
    files: tuple[RelativePath, ...] = Field(
        min_length=1, description="Files, sub-folders, or glob patterns below `folder`."
    )
    categories: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of those that are foreground; null: all."
    )
    names: RelativePath | None = Field(
        default=None, description="YOLO: file with the names of the categories, such as data.yaml or classes.txt."
    )
    crowd: Literal["ignore", "foreground"] | None = Field(
        default=None,
        description="COCO: what the pixels of crowds (`iscrowd: 1`) are. Some programs mark painted objects so, which"
        " are foreground; in COCO's own files they are coarse regions to ignore. null: to ignore, where at most 2 %"
        " of the annotations are marked, otherwise an error.",
        exclude_if=is_unset,
    )
    vertices: Literal["corners", "centres"] = Field(
        default="corners",
        description="COCO, CVAT and YOLO: what whole numbers in outlines are. `corners` of pixels, as COCO has it; or"
        " `centres` of pixels that belong to the object, as programs trace masks (`cv2.findContours`).",
        exclude_if=lambda value: value == "corners",
    )
    by_row: bool = Field(
        default=False, description="Tables of run-length codes: pixels are counted along rows, not along columns."
    )
    unlisted: Literal["leave_out", "background"] = Field(
        default="leave_out",
        description="Images that no file lists: left out, as not labelled, or without any foreground.",
    )
    missing: Literal["refuse", "leave_out"] = Field(
        default="refuse", description="Listed images that are not there: an error, or left out."
    )
