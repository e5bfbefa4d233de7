"""When a predictor replaces the champion, or becomes the first one: settings of `comparison` and `first_champion`."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

#: Criteria that split a test set into slices, which are compared separately.
By = Literal["image_size", "mask_size", "group"]
Check = Literal["smallest_test", "constant_base", "doubted_maps", "constant", "best_free"]


class ComparisonSettings(BaseModel):
    """Conditions for the promotion of a challenger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="probability that any of all challengers that are no better than a champion replaces it",
    )
    margin: float = Field(ge=0, description="the lower bound of the gain must exceed it; in iou_micro, 0..1")
    smallest_test: int = Field(
        ge=2, description="smallest number of groups of test images, or of images without groups, that can promote"
    )
    frames_are_units: bool = Field(
        default=False, description="whether images that look like frames of unnamed videos count as one unit each"
    )
    slices: tuple[By, ...] = Field(description="criteria of slices that must not get worse; classes are always checked")
    smallest_slice: int = Field(ge=2, description="smallest number of images of a slice; smaller ones are ignored")
    slice_tolerance: float = Field(ge=0, description="loss of iou_micro that a slice may have if it is not significant")


class FirstChampionSettings(BaseModel):
    """Least quality of a first champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_iou: float = Field(default=0.05, ge=0, le=1, description="least iou_micro on the test images")
    best_free_tolerance: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="loss of iou_micro to the best method without training that is allowed, even if it is significant:"
        " on many test images a loss that nobody would notice is",
    )
    checks: tuple[Check, ...] = Field(
        default=get_args(Check),
        description="smallest_test: as many groups of test images as `comparison.smallest_test`; constant_base: the"
        " base model must not predict the same everywhere; doubted_maps: its maps must not look misread; constant: the"
        " predictor must be better than one class everywhere; best_free: it must not be significantly worse than the"
        " best method that needs no training, by more than `best_free_tolerance`",
    )
