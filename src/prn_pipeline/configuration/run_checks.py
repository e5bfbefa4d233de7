"""Checks of every run: parameters that contradict each other, whichever stages are run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from prn_pipeline.data.canvas import Canvas, canvas_of
from prn_pipeline.errors import UserError

if TYPE_CHECKING:
    from prn_pipeline.refinement.protocol import RefinerSettings
    from prn_pipeline.segmentation.protocol import MapSourceSettings


def check_run(checked: dict[str, Any], base: MapSourceSettings, refiner: RefinerSettings) -> None:
    """Checks for every run, independent of which stages are run.

    Args:
        checked: parameters as `resolved_run.resolve_run` returns them.
        base: settings of the base model.
        refiner: settings of the refiner.

    Raises:
        UserError: two choices are incompatible; the message names both and the values that are allowed.
    """
    run = checked["run"]
    names, canvas = run["names"], canvas_of(run["dataset"]["image_size"])
    _check_processes(run["prn_training"])
    _check_protocol(names["base_model"], base.trained_here, checked["logit_caching"]["protocol"])
    _check_patches(names["dataset"], checked["pseudo_labelling"]["patch_size"], canvas)
    _check_crop(names["base_model"], base, run["base_training"]["augmentation"]["crop"])
    for size in sorted(set(canvas.shape)):
        _check_maps(names["refiner"], refiner.multiple, size, run["prn_training"]["augmentation"]["crop"])


def _check_processes(training: dict[str, Any]) -> None:
    if training["processes"] * training["nodes"] > 1:
        raise UserError(
            f"prn_training.processes is {training['processes']} and nodes {training['nodes']}, expected 1 and 1: a"
            " refiner is small and trains in one process. Set both to 1; those of base_training may be larger"
        )


def _check_protocol(base_model: str, trained_here: bool, protocol: str) -> None:
    if not trained_here and protocol == "crossfit":
        raise UserError(
            f"logit_caching.protocol is crossfit, which trains one base model per fold, but base model {base_model!r}"
            " is not trained here: use logit_caching.protocol=holdout, and list the splits that the model has learned"
            " from in its key `seen`"
        )


def _check_crop(base_model: str, base: MapSourceSettings, crop: int | None) -> None:
    side = getattr(base, "input_size", None)
    if base.trained_here and side is not None and crop is not None and crop < side:
        raise UserError(
            f"base_training.augmentation.crop is {crop}, but base model {base_model!r} sees images at input_size ="
            f" {side}, and crops would be enlarged to it: set crop to null, or input_size to null"
        )


def _check_patches(dataset: str, patch: int, canvas: Canvas) -> None:
    size = math.gcd(*canvas.shape)
    if size % patch:
        divisors = [p for p in range(4, size + 1) if size % p == 0]
        raise UserError(
            f"pseudo_labelling.patch_size is {patch}, which does not divide the samples' side"
            f" datasets.{dataset}.image_size = {canvas.shown}; use one of {', '.join(map(str, divisors))}"
        )


def _check_maps(refiner: str, multiple: int, size: int, crop: int | None) -> None:
    for name, side in (("image_size", size), ("the crop of prn_training.augmentation", min(crop or size, size))):
        if side % multiple:
            near = max(multiple, side // multiple * multiple)
            raise UserError(
                f"refiner {refiner!r} needs maps whose sides are multiples of {multiple}, but {name} is {side}: use"
                f" {near} or {near + multiple}, or lower its region_size and detail_levels"
            )
