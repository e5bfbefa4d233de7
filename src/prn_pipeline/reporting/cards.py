"""Figures with their title, their note and their text for those who cannot see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prn_pipeline.metrics.map_statistics import MapStatistics
from prn_pipeline.reporting.figures_classes import confusion_matrices, shares
from prn_pipeline.reporting.figures_errors import error_places, reliability_diagram
from prn_pipeline.reporting.figures_images import gain_histogram, image_pairs, image_scatter
from prn_pipeline.reporting.figures_patches import DEFAULT_THRESHOLD, patch_bias_maps, threshold_histogram
from prn_pipeline.reporting.figures_scores import drawable_gains, gain_intervals
from prn_pipeline.reporting.figures_training import training_curves, training_note
from prn_pipeline.reporting.gallery import data_uri
from prn_pipeline.reporting.theme import DARK, LIGHT, Theme, draw_png
from prn_pipeline.reporting.wording import fixed, stage_label


@dataclass(frozen=True)
class Card:
    """One figure in both colour schemes; `light` and `dark` are PNG bytes, `name` is fit for a file name."""

    name: str
    title: str
    alt: str
    note: str
    light: bytes
    dark: bytes

    @property
    def light_uri(self) -> str:
        """The light figure for `img src`."""
        return data_uri(self.light, "image/png")

    @property
    def dark_uri(self) -> str:
        """The dark figure for `source srcset`."""
        return data_uri(self.dark, "image/png")


def gain_card(gains: Mapping[str, Any]) -> Card | None:
    """Gains over the rivals with their intervals; None where none has both."""
    if not drawable_gains(gains):
        return None
    return draw_card(
        "gains",
        "Gain over each rival",
        "Gain over each rival in points of IoU micro, with 95 % intervals; the numbers are in the table beside it.",
        "An interval that crosses the line of zero is no measurable difference.",
        partial(gain_intervals, gains),
    )


def training_cards(history: Mapping[str, pd.DataFrame]) -> list[Card]:
    """A figure a stage that recorded at least one epoch."""
    cards = []
    for stage, epochs in history.items():
        if "epoch" not in epochs or epochs.empty:
            continue
        note = training_note(epochs)
        title = stage_label(stage)
        name = "training-" + re.sub(r"[^\w.-]+", "-", stage)
        alt = f"{title}: loss and validation IoU by epoch. {note}"
        cards.append(draw_card(name, title, alt, note, partial(training_curves, epochs)))
    return cards


def threshold_card(thresholds: np.ndarray) -> Card | None:
    """Histogram of the optimal patch thresholds; None where there is none."""
    values = thresholds[np.isfinite(thresholds)]
    if not values.size:
        return None
    at_default = np.isclose(values, DEFAULT_THRESHOLD, atol=1e-6)
    below, above = (
        ((values < DEFAULT_THRESHOLD) & ~at_default).mean(),
        ((values > DEFAULT_THRESHOLD) & ~at_default).mean(),
    )
    split = f"{100 * below:.0f} % of {values.size:,} patches want less than 0.5, {100 * above:.0f} % want more."
    return draw_card(
        "thresholds",
        "Optimal threshold of each patch",
        f"Histogram of optimal patch thresholds. {split}",
        f"{split} Where thresholds tie, as they do in plain background, the lowest counts.",
        partial(threshold_histogram, thresholds),
    )


def bias_card(maps: Mapping[str, MapStatistics], refiner: str) -> Card | None:
    """Mean bias by patch before and after; None where nothing is valid."""
    biases = {label: maps[name].patch_bias for name, label in _called(maps, refiner).items()}
    finite = {label: bias[np.isfinite(bias)] for label, bias in biases.items()}
    if not finite or not all(values.size for values in finite.values()):
        return None
    spans = []
    for label, values in finite.items():
        mean, low, high = (fixed(100 * value, 1, signed=True) for value in (values.mean(), values.min(), values.max()))
        spans.append(f"{label}: mean {mean} %, from {low} % to {high} % by place in the image.")
    return draw_card(
        "patch-bias",
        "Bias by place, before and after",
        f"Maps of mean probability minus mean mask by patch. {' '.join(spans)}",
        f"Mean probability minus mean mask. {' '.join(spans)} Hatched: nothing to measure.",
        partial(patch_bias_maps, biases),
    )


def error_cards(maps: Mapping[str, MapStatistics], refiner: str) -> list[Card]:
    """How sure and how right the maps are, and where they are wrong; none where there are no maps."""
    called = {label: maps[name] for name, label in _called(maps, refiner).items()}
    if not called or not all(statistics.reliability[:, 0].any() for statistics in called.values()):
        return []
    sure = "; ".join(f"{name} {fixed(100 * one.calibration_error, 1)} %" for name, one in called.items())
    near = "; ".join(f"{name} {_near_share(one)} of {one.errors.sum():,}" for name, one in called.items())
    return [
        draw_card(
            "reliability",
            "How sure, and how right",
            f"Reliability diagram. Mean distance of probability from frequency: {sure}.",
            f"On the diagonal probabilities mean what they say; below it a map is too sure of foreground. Mean distance"
            f" (expected calibration error): {sure}. Larger marks: more pixels.",
            partial(reliability_diagram, called),
        ),
        draw_card(
            "error-places",
            "Where the wrong pixels are",
            f"Wrong pixels near the outline of the truth and away from it. Near it: {near} wrong pixels.",
            f"Near: within the band that boundary IoU looks at. Near the outline: {near} wrong pixels.",
            partial(error_places, called),
        ),
    ]


def _near_share(statistics: MapStatistics) -> str:
    total = statistics.errors.sum()
    return f"{100 * statistics.errors[:, 0].sum() / total:.0f} %" if total else "none"


def _called(maps: Mapping[str, MapStatistics], refiner: str) -> dict[str, str]:
    """Method -> what to call it, of the two that have maps."""
    return {name: label for name, label in (("base", "Base model"), ("prn", refiner)) if name in maps}


def confusion_card(methods: Mapping[str, Mapping[str, Any]], refiner: str) -> Card | None:
    """Which class is taken for which, after and by how much changed; None where there are no classes."""
    if not all("confusion" in methods.get(name, {}) for name in ("base", "prn")):
        return None
    names = list(methods["prn"]["classes"])
    base, refined = (np.array(methods[name]["confusion"]) for name in ("base", "prn"))
    change = np.diagonal(shares(refined) - shares(base))
    told = f"{refiner} gets more of {np.sum(change > 0)} of {len(names)} classes right, less of {np.sum(change < 0)}."
    return draw_card(
        "confusion",
        "Which class is taken for which",
        f"Confusion matrices of {len(names)} classes. {told}",
        f"Rows are true classes. {told}",
        partial(confusion_matrices, base, refined, names),
    )


def image_cards(per_image: pd.DataFrame, refiner: str) -> list[Card]:
    """The images' IoU before and after, and their gains; none where no image has both."""
    pairs = image_pairs(per_image)
    if not pairs.base.size:
        return []
    counts = f"{pairs.better} of {pairs.base.size} images better, {pairs.worse} worse"
    undefined = f" Left out without a defined IoU: {pairs.undefined}." if pairs.undefined else ""
    low, middle, high = np.percentile(100 * (pairs.refined - pairs.base), (5, 50, 95))
    spread = (
        f"Median {fixed(middle, 1, signed=True)} points; nine in ten images between "
        f"{fixed(low, 1, signed=True)} and {fixed(high, 1, signed=True)}."
    )
    return [
        draw_card(
            "images-before-after",
            "Image by image",
            f"Scatter of IoU per image, base model against {refiner}: {counts}.",
            f"{counts}; above the diagonal {refiner} helped.{undefined}",
            partial(image_scatter, pairs, refiner),
        ),
        draw_card(
            "images-gain",
            "Gain of each image",
            f"Histogram of gain per image in points of IoU. {spread}",
            spread,
            partial(gain_histogram, pairs),
        ),
    ]


def draw_card(name: str, title: str, alt: str, note: str, draw: Callable[[Theme], Figure]) -> Card:
    """A card whose figure is drawn in both colour schemes."""
    return Card(name, title, alt, note, light=draw_png(draw, LIGHT), dark=draw_png(draw, DARK))
