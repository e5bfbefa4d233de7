"""Checks that base model, refiner and data set suit each other, made before a base model is trained for hours."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from prn_pipeline.configuration.parameters import LogitCachingParameters
from prn_pipeline.data.canvas import canvas_of
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS, TTA, TTA_SCALES
from prn_pipeline.segmentation.registry import can_be_trained, read_base_settings

if TYPE_CHECKING:
    from prn_pipeline.refinement.protocol import RefinerSettings
    from prn_pipeline.segmentation.protocol import MapSourceSettings

logger = logging.getLogger(__name__)

#: Inputs of a refiner, other than logits, that only a network can give.
MODEL_INPUTS = (TTA, TTA_SCALES, "features", SEVERAL_MAPS)


def base_of(checked: dict[str, Any]) -> MapSourceSettings:
    """Settings of the base model of a run; `checked` are parameters as `resolved_run.resolve_run` returns them."""
    return read_base_settings(checked["run"]["base_model"])


def refiner_of(checked: dict[str, Any]) -> RefinerSettings:
    """Settings of the refiner of a run, likewise."""
    return read_settings(checked["run"]["refiner"])


def check_task(checked: dict[str, Any]) -> None:
    """Raise UserError if the base model does not support the data set's task."""
    base, names = base_of(checked), checked["run"]["names"]
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
    names, size = run["names"], max(canvas_of(run["dataset"]["image_size"]).shape)
    if size <= tiles["size"]:
        return
    refiner = refiner_of(checked)
    for key, side in (("size", tiles["size"]), ("size - overlap", tiles["size"] - tiles["overlap"])):
        if side % refiner.multiple:
            raise UserError(
                f"refiner {names['refiner']!r} needs maps whose sides are multiples of {refiner.multiple}, but images"
                f" of {size} pixels are cut into tiles whose {key} is {side}: change `tiles`, or lower its"
                " region_size and detail_levels"
            )
    base = base_of(checked)
    if base.needs_support and getattr(base, "input_size", None) is None:
        raise UserError(
            f"image_size is {size}, but few-shot images cannot be cut into tiles: make it at most {tiles['size']}, or"
            " raise tiles.size"
        )


def check_kept(checked: dict[str, Any]) -> None:
    """Raise UserError if the cache should keep arrays that the base model does not have."""
    base, kept = base_of(checked), checked["logit_caching"]["keep"]
    missing = [name for name in kept if name not in base.available_inputs]
    if missing and base.has_network:  # a base model without a network has maps only, and `keep` is ignored
        raise UserError(
            f"logit_caching.keep is {kept}, but base model {checked['run']['names']['base_model']!r} (kind {base.kind},"
            f" maps per image: {base.classes}) has no {' and no '.join(missing)}: use"
            f" logit_caching.keep={[name for name in base.available_inputs if name != TTA_SCALES]}"
        )


def check_inputs(checked: dict[str, Any]) -> None:
    """Raise UserError if the base model lacks an input of the refiner, or the cache does not keep it."""
    base, caching, names = base_of(checked), checked["logit_caching"], checked["run"]["names"]
    arrays, kept = refiner_of(checked).arrays, LogitCachingParameters.model_validate(caching).further
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
            if name == TTA_SCALES and not caching["tta_scales"]:
                raise UserError(
                    f"refiner {names['refiner']!r} reads {name}, but logit_caching.tta_scales is []: list scales of the"
                    " image, such as [0.75, 1.25], or use refiner=trees, which does without"
                )
            raise UserError(
                f"refiner {names['refiner']!r} reads {name}, but logit_caching.keep is {caching['keep']}: add"
                f" {TTA if name == TTA_SCALES else name} to it, or use refiner=prn_maps, which needs maps only"
            )


def _lacking(name: str, base: MapSourceSettings) -> str:
    """How maps from elsewhere get the input `name`; "" where there is no way."""
    if base.has_network or name in ("features", TTA_SCALES):
        return ""
    key = "tta: <folder of the mean over flips>" if name == "tta" else "maps: [<folder>, <folder>]"
    return f"give it `{key}`, or "


def check_base_network(checked: dict[str, Any]) -> None:
    """Raise UserError if the refiner is the base model's network, trained further, and that cannot be trained."""
    base, refiner, names = base_of(checked), refiner_of(checked), checked["run"]["names"]
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
    elif not can_be_trained(base, canvas_of(checked["run"]["dataset"]["image_size"]).shape):
        found = "has no weights that could be trained"
    else:
        return
    raise UserError(
        f"refiner {names['refiner']!r} trains the network of the base model, but base model {names['base_model']!r}"
        f" (kind {base.kind}) {found}: use another refiner, such as prn_maps"
    )
