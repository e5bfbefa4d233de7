"""Do a run's choices fit each other? Said before a base model is trained for hours."""

from __future__ import annotations

from typing import Any

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.settings import settings_class
from prn_pipeline.segmentation.settings import base_settings_class

#: What only a model can give beside its logits.
MODEL_INPUTS = ("tta", "features")
#: Of images in val, for a refiner of one network: some to learn from, some to choose its best epoch by.
LEAST_GROUPS = 2


def check_protocol(base_model: str, trained_here: bool, protocol: str) -> None:
    """Raise UserError where fold models are asked of a base model that is not trained here."""
    if not trained_here and protocol == "crossfit":
        raise UserError(
            f"protocol crossfit trains one base model a fold, and {base_model!r} is not trained here: use"
            " logit_caching.protocol=holdout; if it has not seen some of the images, say so with its key `seen`"
        )


def check_patches(dataset: str, patch: int, size: int) -> None:
    """Raise UserError, with sizes that fit, where samples of side `size` are no whole number of patches."""
    if size % patch:
        fitting = [p for p in range(4, size + 1) if size % p == 0]
        raise UserError(
            f"pseudo_labelling.patch_size is {patch}, which does not divide the samples' side"
            f" datasets.{dataset}.image_size = {size}; take one of {', '.join(map(str, fitting))}"
        )


def check_maps(refiner: str, multiple: int, size: int, crop: int | None) -> None:
    """Raise UserError, with sizes that fit, where maps do not fit the refiner."""
    for name, side in (("image_size", size), ("the crop of prn_training.augmentation", min(crop or size, size))):
        if side % multiple:
            near = max(multiple, side // multiple * multiple)
            raise UserError(
                f"refiner {refiner!r} takes maps whose sides are multiples of {multiple}, and {name} is {side}: use"
                f" {near} or {near + multiple}, or lower its region_size and detail_levels"
            )


def check_processes(training: dict[str, Any]) -> None:
    """Raise UserError where a refiner is to be trained by several processes."""
    if training["processes"] * training["nodes"] > 1:
        raise UserError(
            f"prn_training.processes is {training['processes']} and nodes {training['nodes']}: refiners are small and"
            " each is trained by one process; set both to 1, and those of base_training as you like"
        )


def check_task(checked: dict[str, Any]) -> None:
    """Raise UserError where the base model is not made for the data set's task."""
    run = checked["run"]
    task, kind, names = run["dataset"]["task"], run["base_model"]["kind"], run["names"]
    if kind == "few_shot" and task != "few_shot":
        raise UserError(
            f"base model {names['base_model']!r} is shown what to segment (kind few_shot), but the task of data set"
            f" {names['dataset']!r} is {task}: take another base model, or a data set of task few_shot"
        )
    if task == "few_shot" and kind not in ("few_shot", "maps"):
        raise UserError(
            f"data set {names['dataset']!r} is of task few_shot, and base model {names['base_model']!r} (kind {kind})"
            " cannot be shown what to segment: take one of kind few_shot, such as base_model=few_shot_resnet18"
        )


def check_tiles(checked: dict[str, Any]) -> None:
    """Raise UserError where images are cut into tiles that a network of the run cannot take."""
    run, tiles = checked["run"], checked["tiles"]
    names, size = run["names"], run["dataset"]["image_size"]
    if size <= tiles["size"]:
        return
    refiner = settings_class(run["refiner"]).model_validate(run["refiner"])
    for key, side in (("size", tiles["size"]), ("size - overlap", tiles["size"] - tiles["overlap"])):
        if side % refiner.multiple:
            raise UserError(
                f"refiner {names['refiner']!r} takes maps whose sides are multiples of {refiner.multiple}, and images"
                f" of {size} pixels are cut into tiles whose {key} is {side}: use other `tiles`, or lower its"
                " region_size and detail_levels"
            )
    if run["base_model"]["kind"] == "few_shot":
        raise UserError(
            f"few-shot images are not cut into tiles, and image_size is {size}: make it {tiles['size']} at most, or"
            " raise tiles.size"
        )


def check_kept(checked: dict[str, Any]) -> None:
    """Raise UserError where something is to be kept that the base model does not have."""
    run, kept = checked["run"], checked["logit_caching"]["keep"]
    base = base_settings_class(run["base_model"]).model_validate(run["base_model"])
    lacking = [name for name in kept if name not in base.available_inputs]
    if lacking and base.kind != "maps":  # of which nothing is kept but the maps themselves
        raise UserError(
            f"logit_caching.keep is {kept}, but base model {run['names']['base_model']!r} (kind {base.kind}, maps per"
            f" image: {base.classes}) has no {' and no '.join(lacking)}: use"
            f" logit_caching.keep={list(base.available_inputs)}"
        )


def check_inputs(checked: dict[str, Any]) -> None:
    """Will there be all that the refiner reads?

    Args:
        checked: what `parameters.resolve_run` gave.

    Raises:
        UserError: the base model has no such thing, or it is not kept.
    """
    run, kept = checked["run"], checked["logit_caching"]["keep"]
    names = run["names"]
    base = base_settings_class(run["base_model"]).model_validate(run["base_model"])
    reads = settings_class(run["refiner"]).model_validate(run["refiner"]).arrays
    wanted = [name for name in reads if name in MODEL_INPUTS]
    for name in wanted:
        if name not in base.available_inputs:
            raise UserError(
                f"refiner {names['refiner']!r} reads {name}, which base model {names['base_model']!r} of kind"
                f" {base.kind} does not have: take a refiner that needs maps only, refiner=prn_maps, or one with other"
                " `inputs`"
            )
        if name not in kept:
            raise UserError(
                f"refiner {names['refiner']!r} reads {name}, and logit_caching.keep is {kept}: add {name} to it, or"
                " take a refiner that needs maps only, refiner=prn_maps"
            )


def check_val(checked: dict[str, Any], groups: int) -> None:
    """Raise UserError where val has too few groups for the refiner to learn from some and be judged by others.

    Args:
        checked: what `parameters.resolve_run` gave.
        groups: of images in val.
    """
    run = checked["run"]
    base = base_settings_class(run["base_model"]).model_validate(run["base_model"])
    if checked["logit_caching"]["protocol"] != "holdout" or not base.trained_here:
        return  # maps of other images than val's count too
    name, least = run["names"]["refiner"], run["refiner"].get("members", LEAST_GROUPS)
    if groups < least:
        raise UserError(
            f"refiner {name!r} learns from some maps of val and is judged by the others: the val split of"
            f" {run['names']['dataset']!r} has {groups} group{'s' * (groups != 1)} of images, {least} are needed. Use"
            " a larger `split.val` or logit_caching.protocol=crossfit"
            + (", or lower `members` of the refiner" if "members" in run["refiner"] and groups > 1 else "")
        )
