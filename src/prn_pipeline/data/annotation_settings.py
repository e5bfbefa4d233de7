"""Settings of annotation files, which hold outlines or codes in place of mask pictures."""

from typing import Literal

from pydantic import Field

from prn_pipeline.data.splits.settings import RelativePath, StrictSettings

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
    crowd: Literal["ignore", "foreground"] = Field(
        default="ignore", description="COCO: what the pixels of crowd regions are, which are drawn coarsely."
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
