"""Cards on patches and maps: optimal thresholds, bias, calibration, wrong pixels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from prn_pipeline.metrics.map_statistics import MapStatistics
from prn_pipeline.reporting.cards.card import Card, draw_card
from prn_pipeline.reporting.figures.errors import error_places, reliability_diagram
from prn_pipeline.reporting.figures.patches import DEFAULT_THRESHOLD, patch_bias_maps, threshold_histogram
from prn_pipeline.reporting.labels import BASE, REFINER, method_label
from prn_pipeline.reporting.wording import fixed


def threshold_card(thresholds: np.ndarray) -> Card | None:
    """Histogram of the optimal patch thresholds; None where there are none."""
    values = thresholds[np.isfinite(thresholds)]
    if not values.size:
        return None
    at_default = np.isclose(values, DEFAULT_THRESHOLD, atol=1e-6)
    below, above = (
        ((values < DEFAULT_THRESHOLD) & ~at_default).mean(),
        ((values > DEFAULT_THRESHOLD) & ~at_default).mean(),
    )
    split = (
        f"Of {values.size:,} patches, {100 * below:.0f} % have an optimal threshold below 0.5, and {100 * above:.0f} %"
        " above."
    )
    return draw_card(
        "thresholds",
        "Optimal threshold of each patch",
        f"Histogram of optimal patch thresholds. {split}",
        f"{split} Where thresholds tie, as in plain background, the lowest is taken.",
        partial(threshold_histogram, thresholds),
    )


def bias_card(maps: Mapping[str, MapStatistics], refiner: str) -> Card | None:
    """Mean bias of each patch before and after; None where no pixel is valid."""
    biases = {label: statistics.patch_bias for label, statistics in _by_label(maps, refiner).items()}
    finite = {label: bias[np.isfinite(bias)] for label, bias in biases.items()}
    if not finite or not all(values.size for values in finite.values()):
        return None
    spans = []
    for label, values in finite.items():
        mean, low, high = (fixed(100 * value, 1, signed=True) for value in (values.mean(), values.min(), values.max()))
        spans.append(f"{label}: mean {mean} %, from {low} % to {high} % by position in the image.")
    return draw_card(
        "patch-bias",
        "Bias by position, before and after",
        f"Maps of mean probability minus mean mask by patch. {' '.join(spans)}",
        f"Mean probability minus mean mask. {' '.join(spans)} Hatched: no valid pixels.",
        partial(patch_bias_maps, biases),
    )


def error_cards(maps: Mapping[str, MapStatistics], refiner: str) -> list[Card]:
    """Calibration of the maps, and where their wrong pixels are; empty where there are no maps."""
    labelled = _by_label(maps, refiner)
    if not labelled or not all(statistics.reliability[:, 0].any() for statistics in labelled.values()):
        return []
    calibration = "; ".join(f"{label} {fixed(100 * one.calibration_error, 1)} %" for label, one in labelled.items())
    near = "; ".join(f"{label} {_near_share(one)} of {one.errors.sum():,}" for label, one in labelled.items())
    return [
        draw_card(
            "reliability",
            "Calibration",
            f"Reliability diagram. Expected calibration error: {calibration}.",
            f"On the diagonal, probabilities match frequencies; below it a map overestimates foreground. Expected"
            f" calibration error: {calibration}. Larger marks: more pixels.",
            partial(reliability_diagram, labelled),
        ),
        draw_card(
            "error-places",
            "Where the wrong pixels are",
            f"Wrong pixels near the outline of the truth and elsewhere. Near it: {near} wrong pixels.",
            f"Near the outline: {near} wrong pixels. Near means the band that boundary IoU counts.",
            partial(error_places, labelled),
        ),
    ]


def _near_share(statistics: MapStatistics) -> str:
    total = statistics.errors.sum()
    return f"{100 * statistics.errors[:, 0].sum() / total:.0f} %" if total else "none"


def _by_label(maps: Mapping[str, MapStatistics], refiner: str) -> dict[str, MapStatistics]:
    """Statistics of the base model and the refiner under the labels that readers see."""
    labels = {BASE: method_label(BASE, {}), REFINER: refiner}
    return {label: maps[name] for name, label in labels.items() if name in maps}
