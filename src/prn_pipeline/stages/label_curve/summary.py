"""From measured draws to what a curve says: gains by size, a fitted curve, and what more labels would add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from prn_pipeline.comparison.base_model import BASE_MODEL
from prn_pipeline.metrics.bootstrap import bounds
from prn_pipeline.metrics.saturating_curve import fit_curves
from prn_pipeline.stages.label_curve.gains import Point, Resamples, best_free, gains, resampled_gains
from prn_pipeline.stages.label_curve.measuring import FULL_CORRECTION

#: Labelled images whose further gain is estimated.
MORE_IMAGES = 50
#: Resamples without an object in some size say nothing; with fewer than this share left, there is no interval.
FEWEST_LEFT = 0.5


def summarise(points: Sequence[Point], by: Resamples, labelled: int) -> dict[str, Any]:
    """The curve of one refiner.

    Args:
        points: all measured draws of the refiner, by size.
        by: resamples, shared by all refiners.
        labelled: number of images that are labelled today and not test.

    Returns:
        `sizes`: for each size images (mean over draws), draws, held_out (fewest over draws), seconds (mean of a fit),
        base_iou, and the gains vs_base and vs_best_free: iou_micro, ci95, of_draws, and the method of the latter,
        chosen on the held-out images, which favours it. For a refiner with a guard also full_correction: the gain over
        the base model of its whole correction, whatever the guard selected. `curve`: limit, drop and exponent of
        `saturating_curve`, of the gain over the base model; None for a single size. `forecast`, unless there is no
        curve: labelled, gain and ci95 there; more, further_gain and further_gain_ci95.
    """
    by_size = [list(of_size) for _, of_size in groupby(points, key=lambda point: point.draw.size)]
    drawn = np.stack([resampled_gains(of_size, BASE_MODEL.name, by) for of_size in by_size], axis=1)
    sizes = [_size(of_size, drawn[:, place], by) for place, of_size in enumerate(by_size)]
    found: dict[str, Any] = {"sizes": sizes, "curve": None, "forecast": None}
    if len(sizes) < 2:
        return found
    images = [size["images"] for size in sizes]
    most = 1 - min(size["base_iou"] for size in sizes)
    curve = fit_curves(images, np.array([[size["vs_base"]["iou_micro"] for size in sizes]]), most)
    complete = drawn[np.isfinite(drawn).all(1)]
    curves = fit_curves(images, complete, most) if len(complete) >= FEWEST_LEFT * len(drawn) else None
    now, later = (float(labelled), float(labelled + MORE_IMAGES))
    return found | {
        "curve": {name: float(values[0]) for name, values in curve._asdict().items()},
        "forecast": {
            "labelled": labelled,
            "gain": float(curve.at(now)[0]),
            "ci95": None if curves is None else bounds(curves.at(now)),
            "more": MORE_IMAGES,
            "further_gain": float((curve.at(later) - curve.at(now))[0]),
            "further_gain_ci95": None if curves is None else bounds(curves.at(later) - curves.at(now)),
        },
    }


def _size(points: Sequence[Point], over_base: np.ndarray, by: Resamples) -> dict[str, Any]:
    free = best_free(points)
    full = {}
    if FULL_CORRECTION in points[0].counts:
        resampled = resampled_gains(points, BASE_MODEL.name, by, FULL_CORRECTION)
        full[FULL_CORRECTION] = _gain(gains(points, BASE_MODEL.name, FULL_CORRECTION), resampled)
    over_free = over_base if free == BASE_MODEL.name else resampled_gains(points, free, by)
    return {
        "size": points[0].draw.size,
        "images": float(np.mean([point.draw.images for point in points])),
        "draws": len(points),
        "held_out": min(len(point.groups) for point in points),
        "seconds": float(np.mean([point.seconds for point in points])),
        "base_iou": float(np.mean([point.iou(BASE_MODEL.name) for point in points])),
        "vs_base": _gain(gains(points, BASE_MODEL.name), over_base),
        "vs_best_free": {"method": free, **_gain(gains(points, free), over_free)},
        **full,
    }


def _gain(of_draws: list[float], resampled: np.ndarray) -> dict[str, Any]:
    finite = resampled[np.isfinite(resampled)]
    return {
        "iou_micro": float(np.mean(of_draws)),
        "ci95": bounds(finite) if len(finite) >= FEWEST_LEFT * len(resampled) else None,
        "of_draws": of_draws,
    }


def table_rows(curve: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One flat row per refiner and size of a `label_curve.json`, for its CSV file."""
    rows = []
    for refiner, of_refiner in curve["refiners"].items():
        for size in of_refiner["sizes"]:
            row = {"refiner": refiner} | {name: value for name, value in size.items() if not isinstance(value, Mapping)}
            for over in ("vs_base", "vs_best_free"):
                low, high = size[over]["ci95"] or (None, None)
                row |= {over: size[over]["iou_micro"], f"{over}_low": low, f"{over}_high": high}
            if (full := size.get(FULL_CORRECTION)) is not None:
                row[FULL_CORRECTION] = full["iou_micro"]
            rows.append(row | {"best_free": size["vs_best_free"]["method"]})
    return rows
