"""Checks that the choices of a run are compatible, made before a base model is trained for hours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.protocol import RefinerSettings
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.segmentation.map_inputs import SEVERAL_MAPS
from prn_pipeline.segmentation.protocol import MapSourceSettings
from prn_pipeline.segmentation.registry import can_be_trained, read_base_settings

logger = logging.getLogger(__name__)

#: Inputs of a refiner, other than logits, that only a network can give.
MODEL_INPUTS = ("tta", "features", SEVERAL_MAPS)


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
    names, size = run["names"], run["dataset"]["image_size"]
    _check_processes(run["prn_training"])
    _check_protocol(names["base_model"], base.trained_here, checked["logit_caching"]["protocol"])
    _check_patches(names["dataset"], checked["pseudo_labelling"]["patch_size"], size)
    _check_crop(names["base_model"], base, run["base_training"]["augmentation"]["crop"])
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


def _check_patches(dataset: str, patch: int, size: int) -> None:
    if size % patch:
        divisors = [p for p in range(4, size + 1) if size % p == 0]
        raise UserError(
            f"pseudo_labelling.patch_size is {patch}, which does not divide the samples' side"
            f" datasets.{dataset}.image_size = {size}; use one of {', '.join(map(str, divisors))}"
        )


def _check_maps(refiner: str, multiple: int, size: int, crop: int | None) -> None:
    for name, side in (("image_size", size), ("the crop of prn_training.augmentation", min(crop or size, size))):
        if side % multiple:
            near = max(multiple, side // multiple * multiple)
            raise UserError(
                f"refiner {refiner!r} needs maps whose sides are multiples of {multiple}, but {name} is {side}: use"
                f" {near} or {near + multiple}, or lower its region_size and detail_levels"
            )


def check_task(checked: dict[str, Any]) -> None:
    """Raise UserError if the base model does not support the data set's task."""
    base, names = _base(checked), checked["run"]["names"]
    task = checked["run"]["dataset"]["task"]
    if base.suits(task):
        return
    if base.needs_support:
        raise UserError(
            f"base model {names['base_model']!r} needs labelled images of what to segment (kind {base.kind}), but the"
            f" task of data set {names['dataset']!r} is {task}: use another base model, or a data set of task few_shot"
        )
    raise UserError(
        f"data set {names['dataset']!r} has task {task}, which base model {names['base_model']!r} (kind {base.kind})"
        " does not support: use one of kind few_shot, such as base_model=few_shot_resnet18"
    )


def check_tiles(checked: dict[str, Any]) -> None:
    """Raise UserError if images are cut into tiles that a network of the run does not support."""
    run, tiles = checked["run"], checked["tiles"]
    names, size = run["names"], run["dataset"]["image_size"]
    if size <= tiles["size"]:
        return
    refiner = _refiner(checked)
    for key, side in (("size", tiles["size"]), ("size - overlap", tiles["size"] - tiles["overlap"])):
        if side % refiner.multiple:
            raise UserError(
                f"refiner {names['refiner']!r} needs maps whose sides are multiples of {refiner.multiple}, but images"
                f" of {size} pixels are cut into tiles whose {key} is {side}: change `tiles`, or lower its"
                " region_size and detail_levels"
            )
    base = _base(checked)
    if base.needs_support and getattr(base, "input_size", None) is None:
        raise UserError(
            f"image_size is {size}, but few-shot images cannot be cut into tiles: make it at most {tiles['size']}, or"
            " raise tiles.size"
        )


def check_kept(checked: dict[str, Any]) -> None:
    """Raise UserError if the cache should keep arrays that the base model does not have."""
    base, kept = _base(checked), checked["logit_caching"]["keep"]
    missing = [name for name in kept if name not in base.available_inputs]
    if missing and base.has_network:  # a base model without a network has maps only, and `keep` is ignored
        raise UserError(
            f"logit_caching.keep is {kept}, but base model {checked['run']['names']['base_model']!r} (kind {base.kind},"
            f" maps per image: {base.classes}) has no {' and no '.join(missing)}: use"
            f" logit_caching.keep={list(base.available_inputs)}"
        )


def check_inputs(checked: dict[str, Any]) -> None:
    """Raise UserError if the base model lacks an input of the refiner, or the cache does not keep it."""
    base, kept, names = _base(checked), checked["logit_caching"]["keep"], checked["run"]["names"]
    arrays = _refiner(checked).arrays
    if SEVERAL_MAPS in base.available_inputs and SEVERAL_MAPS not in arrays:
        logger.warning(
            "refiner %r corrects the first map of base model %r only, because it does not read %s: refiner=prn does",
            names["refiner"],
            names["base_model"],
            SEVERAL_MAPS,
        )
    for name in arrays:
        if name not in MODEL_INPUTS:
            continue
        if name not in base.available_inputs:
            raise UserError(
                f"refiner {names['refiner']!r} reads {name}, which base model {names['base_model']!r} of kind"
                f" {base.kind} does not have: {_lacking(name, base)}use refiner=prn_maps, which needs maps only, or one"
                " with other `inputs`"
            )
        if name not in kept and name != SEVERAL_MAPS:  # which are always kept
            raise UserError(
                f"refiner {names['refiner']!r} reads {name}, but logit_caching.keep is {kept}: add {name} to it, or"
                " use refiner=prn_maps, which needs maps only"
            )


def _lacking(name: str, base: MapSourceSettings) -> str:
    """How maps from elsewhere get the input `name`; "" where there is no way."""
    if base.has_network or name == "features":
        return ""
    key = "tta: <folder of the mean over flips>" if name == "tta" else "maps: [<folder>, <folder>]"
    return f"give it `{key}`, or "


def check_base_network(checked: dict[str, Any]) -> None:
    """Raise UserError if the refiner is the base model's network, trained further, and that cannot be trained."""
    base, refiner, names = _base(checked), _refiner(checked), checked["run"]["names"]
    if not isinstance(refiner, BaseNetworkSettings):
        return
    if not base.has_network:
        found = "has maps only and no network"
    elif base.needs_support:
        found = "needs labelled images of what to segment, which a refiner is not given"
    elif base.trained_here:
        return
    elif refiner.start == "initial":
        found = "is not trained here, so that no training of it could be made longer"
    elif not can_be_trained(base, checked["run"]["dataset"]["image_size"]):
        found = "has no weights that could be trained"
    else:
        return
    raise UserError(
        f"refiner {names['refiner']!r} trains the network of the base model, but base model {names['base_model']!r}"
        f" (kind {base.kind}) {found}: use another refiner, such as prn_maps"
    )


def check_split(checked: dict[str, Any]) -> None:
    """Raise UserError if the base model is trained here, and the settings of the data set leave nothing for train."""
    if DatasetSettings.model_validate(checked["run"]["dataset"]).split.without_train:
        check_train(checked, samples=0)


def check_train(checked: dict[str, Any], samples: int) -> None:
    """Raise UserError if the base model is trained here, and train has no samples."""
    if _base(checked).trained_here and not samples:
        raise _nothing_to_train_on(checked["run"]["names"])


def _nothing_to_train_on(names: dict[str, Any]) -> UserError:
    return UserError(
        f"base model {names['base_model']!r} is trained here, but the train split of data set {names['dataset']!r} is"
        f" empty: give train some samples (`datasets.{names['dataset']}.split`), or use a base model that is already"
        " trained, of kind module with `weights` or of kind maps"
    )


def check_val(checked: dict[str, Any], groups: Mapping[str, int]) -> None:
    """Raise UserError if there are too few groups for the refiner to learn from some and be judged on others.

    Args:
        checked: parameters as `resolved_run.resolve_run` returns them.
        groups: number of groups of images in train and val.
    """
    base, names, fewest = _base(checked), checked["run"]["names"], _refiner(checked).fewest_groups
    crossfit = checked["logit_caching"]["protocol"] == "crossfit"
    splits = [split for split in ("train", "val") if crossfit or split not in base.seen]
    found = sum(groups.get(split, 0) for split in splits)
    if found < fewest:
        raise UserError(
            f"refiner {names['refiner']!r} learns from some maps of {' and '.join(splits) or 'no split'} and is"
            f" evaluated on the others: {names['dataset']!r} has {found} group{'s' * (found != 1)} of images there,"
            f" {fewest} are needed. Use a larger `split.val`"
            + (" or logit_caching.protocol=crossfit" if base.trained_here and not crossfit else "")
            + (", or lower `members` of the refiner" if found > 1 else "")
        )


def _base(checked: dict[str, Any]) -> MapSourceSettings:
    return read_base_settings(checked["run"]["base_model"])


def _refiner(checked: dict[str, Any]) -> RefinerSettings:
    return read_settings(checked["run"]["refiner"])
