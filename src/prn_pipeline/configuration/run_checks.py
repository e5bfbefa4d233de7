"""Whether the choices of a run fit each other, checked before a base model is trained for hours."""

from __future__ import annotations

from typing import Any

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.protocol import RefinerSettings
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.segmentation.protocol import MapSourceSettings
from prn_pipeline.segmentation.registry import read_base_settings

#: Inputs of a refiner that only a network can give beside its logits.
MODEL_INPUTS = ("tta", "features")


def check_run(checked: dict[str, Any], base: MapSourceSettings, refiner: RefinerSettings) -> None:
    """Checks for every run, whichever of its stages are run.

    Args:
        checked: what `resolved_run.resolve_run` returns.
        base: settings of the base model.
        refiner: settings of the refiner.

    Raises:
        UserError: two choices do not fit; the message names both and the values that fit.
    """
    run = checked["run"]
    names, size = run["names"], run["dataset"]["image_size"]
    _check_processes(run["prn_training"])
    _check_protocol(names["base_model"], base.trained_here, checked["logit_caching"]["protocol"])
    _check_patches(names["dataset"], checked["pseudo_labelling"]["patch_size"], size)
    _check_maps(names["refiner"], refiner.multiple, size, run["prn_training"]["augmentation"]["crop"])


def _check_processes(training: dict[str, Any]) -> None:
    if training["processes"] * training["nodes"] > 1:
        raise UserError(
            f"prn_training.processes is {training['processes']} and nodes {training['nodes']}: refiners are small and"
            " each is trained by one process; set both to 1, and those of base_training as you like"
        )


def _check_protocol(base_model: str, trained_here: bool, protocol: str) -> None:
    if not trained_here and protocol == "crossfit":
        raise UserError(
            f"protocol crossfit trains one base model per fold, and {base_model!r} is not trained here: use"
            " logit_caching.protocol=holdout; if it has not seen some of the images, say so with its key `seen`"
        )


def _check_patches(dataset: str, patch: int, size: int) -> None:
    if size % patch:
        fitting = [p for p in range(4, size + 1) if size % p == 0]
        raise UserError(
            f"pseudo_labelling.patch_size is {patch}, which does not divide the samples' side"
            f" datasets.{dataset}.image_size = {size}; take one of {', '.join(map(str, fitting))}"
        )


def _check_maps(refiner: str, multiple: int, size: int, crop: int | None) -> None:
    for name, side in (("image_size", size), ("the crop of prn_training.augmentation", min(crop or size, size))):
        if side % multiple:
            near = max(multiple, side // multiple * multiple)
            raise UserError(
                f"refiner {refiner!r} takes maps whose sides are multiples of {multiple}, and {name} is {side}: use"
                f" {near} or {near + multiple}, or lower its region_size and detail_levels"
            )


def check_task(checked: dict[str, Any]) -> None:
    """Raise UserError where the base model is not made for the data set's task."""
    base, names = _base(checked), checked["run"]["names"]
    task = checked["run"]["dataset"]["task"]
    if base.suits(task):
        return
    if base.needs_support:
        raise UserError(
            f"base model {names['base_model']!r} needs labelled images of what to segment (kind {base.kind}), but the"
            f" task of data set {names['dataset']!r} is {task}: take another base model, or a data set of task few_shot"
        )
    raise UserError(
        f"data set {names['dataset']!r} has task {task}, and base model {names['base_model']!r} (kind {base.kind})"
        " is not made for it: take one of kind few_shot, such as base_model=few_shot_resnet18"
    )


def check_tiles(checked: dict[str, Any]) -> None:
    """Raise UserError where images are cut into tiles that a network of the run cannot take."""
    run, tiles = checked["run"], checked["tiles"]
    names, size = run["names"], run["dataset"]["image_size"]
    if size <= tiles["size"]:
        return
    refiner = _refiner(checked)
    for key, side in (("size", tiles["size"]), ("size - overlap", tiles["size"] - tiles["overlap"])):
        if side % refiner.multiple:
            raise UserError(
                f"refiner {names['refiner']!r} takes maps whose sides are multiples of {refiner.multiple}, and images"
                f" of {size} pixels are cut into tiles whose {key} is {side}: use other `tiles`, or lower its"
                " region_size and detail_levels"
            )
    if _base(checked).needs_support:
        raise UserError(
            f"few-shot images are not cut into tiles, and image_size is {size}: make it {tiles['size']} at most, or"
            " raise tiles.size"
        )


def check_kept(checked: dict[str, Any]) -> None:
    """Raise UserError where arrays are to be kept that the base model does not have."""
    base, kept = _base(checked), checked["logit_caching"]["keep"]
    missing = [name for name in kept if name not in base.available_inputs]
    if missing and base.has_network:  # of maps on disk nothing is kept but the maps themselves
        raise UserError(
            f"logit_caching.keep is {kept}, but base model {checked['run']['names']['base_model']!r} (kind {base.kind},"
            f" maps per image: {base.classes}) has no {' and no '.join(missing)}: use"
            f" logit_caching.keep={list(base.available_inputs)}"
        )


def check_inputs(checked: dict[str, Any]) -> None:
    """Raise UserError where the base model lacks an input of the refiner, or the input is not kept."""
    base, kept, names = _base(checked), checked["logit_caching"]["keep"], checked["run"]["names"]
    for name in _refiner(checked).arrays:
        if name not in MODEL_INPUTS:
            continue
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
    """Raise UserError where val has too few groups for the refiner to learn from some and to be evaluated on others.

    Args:
        checked: what `resolved_run.resolve_run` returns.
        groups: groups of images in val.
    """
    if checked["logit_caching"]["protocol"] != "holdout" or not _base(checked).trained_here:
        return  # maps of other images than val's are out of sample too
    names, fewest = checked["run"]["names"], _refiner(checked).fewest_groups
    if groups < fewest:
        raise UserError(
            f"refiner {names['refiner']!r} learns from some maps of val and is evaluated on the others: the val split"
            f" of {names['dataset']!r} has {groups} group{'s' * (groups != 1)} of images, {fewest} are needed. Use a"
            " larger `split.val` or logit_caching.protocol=crossfit"
            + (", or lower `members` of the refiner" if groups > 1 else "")
        )


def _base(checked: dict[str, Any]) -> MapSourceSettings:
    return read_base_settings(checked["run"]["base_model"])


def _refiner(checked: dict[str, Any]) -> RefinerSettings:
    return read_settings(checked["run"]["refiner"])
