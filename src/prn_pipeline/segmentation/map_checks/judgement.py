"""Whether maps say anything about the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from prn_pipeline.segmentation.map_checks.fit import Truth, everything, fits, iou_at
from prn_pipeline.segmentation.map_checks.readings import Reading
from prn_pipeline.segmentation.map_checks.verdict import Finding

#: Maps say nothing if their IoU at the best threshold is below this many times that of calling everything foreground,
TIMES = 1.25
#: and if this share, at most, of what is missing to an IoU of 1 is gained.
SKILL = 0.05
#: Maps predict almost nothing if p > 0.5 has less than this share of the IoU of the best threshold.
ALMOST = 0.1


def judged(
    what: str,
    stated: Reading,
    maps: NDArray[np.float32],
    bounds: tuple[float, float],
    truths: Sequence[Truth],
    hint: tuple[str, bool] = ("", False),
) -> Finding:
    """Whether the maps predict anything, and whether that is better than calling everything foreground.

    Args:
        what: the maps, for the message.
        stated: fit of the maps as the settings read them.
        maps: logits (n, C, s, s).
        bounds: lowest and highest logit of these maps before they were reduced.
        truths: one per class.
        hint: what is wrong with the settings if the maps predict nothing anywhere, "" if that is not known; and
            whether it is certain.
    """
    kept = [one for one, truth in enumerate(truths) if truth.foreground.any()]
    free = float(np.mean([everything(truths[one]) for one in kept])) if kept else float("nan")
    extent = _extent(maps, bounds)
    if stated.iou < TIMES * free and stated.iou - free < SKILL * (1 - free):
        return Finding(
            "far" if extent else "notable",
            f"{what} {f'{extent}, and ' if extent else ''}say nothing about the true masks: IoU {stated.iou:.3f} at the"
            f" best single threshold, {free:.3f} if everything is called foreground. Train the model longer, or check"
            " that each map belongs to the image of its name, and that the model was given pixels as it expects them",
        )
    if len(truths) > 1:
        found = f"IoU {stated.iou:.3f} at the best single threshold of each class"
        return Finding("notable", f"{what} {extent}: {found}", False) if extent else Finding(None, f"{what}: {found}")
    fit, usual = fits(maps[:, 0], truths[0])[0], iou_at(maps[:, 0], truths[0], 0.0)
    found = f"IoU {usual:.3f} at p > 0.5, {fit.iou:.3f} at the best single threshold, p > {expit(fit.threshold):.3g}"
    if not extent and usual < ALMOST * fit.iou:
        extent = "predict almost nothing"
    if not extent:
        return Finding(None, f"{what}: {found}")
    text, certain = hint if bounds[1] <= 0 else ("", False)
    if not certain:
        text = f"A threshold alone explains much of any gain over p > 0.5. {text}".removesuffix(". ")
    return Finding("far" if certain else "notable", f"{what} {extent}: {found}. {text}", certain)


def _extent(maps: NDArray[np.float32], bounds: tuple[float, float]) -> str:
    """What the maps predict everywhere; "" if they differ."""
    if maps.shape[1] > 1:
        classes = np.unique(maps.argmax(1))
        return f"predict class {classes[0]} everywhere" if len(classes) == 1 else ""
    if bounds[1] <= 0:
        return f"predict nothing anywhere (the highest probability is {expit(bounds[1]):.3g})"
    if bounds[0] > 0:
        return f"predict foreground everywhere (the lowest probability is {expit(bounds[0]):.3g})"
    return ""
