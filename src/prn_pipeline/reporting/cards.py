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

from prn_pipeline.reporting.figures_images import gain_histogram, image_pairs, image_scatter
from prn_pipeline.reporting.figures_patches import DEFAULT_THRESHOLD, patch_bias_map, threshold_histogram
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
    return _card(
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
        cards.append(_card(name, title, alt, note, partial(training_curves, epochs)))
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
    return _card(
        "thresholds",
        "Optimal threshold of each patch",
        f"Histogram of optimal patch thresholds. {split}",
        f"{split} Where thresholds tie, as they do in plain background, the lowest counts.",
        partial(threshold_histogram, thresholds),
    )


def bias_card(patch_bias: np.ndarray) -> Card | None:
    """Map of the base model's mean bias by patch; None where nothing is valid."""
    values = patch_bias[np.isfinite(patch_bias)]
    if not values.size:
        return None
    mean, low, high = (fixed(100 * value, 1, signed=True) for value in (values.mean(), values.min(), values.max()))
    span = f"Mean {mean} %, from {low} % to {high} % by place in the image."
    return _card(
        "patch-bias",
        "Bias of the base model by place",
        f"Map of mean probability minus mean mask by patch. {span}",
        f"Mean probability minus mean mask. {span} Hatched: nothing to measure.",
        partial(patch_bias_map, patch_bias),
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
        _card(
            "images-before-after",
            "Image by image",
            f"Scatter of IoU per image, base model against {refiner}: {counts}.",
            f"{counts}; above the diagonal {refiner} helped.{undefined}",
            partial(image_scatter, pairs, refiner),
        ),
        _card(
            "images-gain",
            "Gain of each image",
            f"Histogram of gain per image in points of IoU. {spread}",
            spread,
            partial(gain_histogram, pairs),
        ),
    ]


def _card(name: str, title: str, alt: str, note: str, draw: Callable[[Theme], Figure]) -> Card:
    return Card(name, title, alt, note, light=draw_png(draw, LIGHT), dark=draw_png(draw, DARK))
