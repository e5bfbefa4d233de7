"""Cards on single test images: IoU before and after, and gains."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from prn_pipeline.reporting.cards.card import Card, draw_card
from prn_pipeline.reporting.figures.images import gain_histogram, image_pairs, image_scatter
from prn_pipeline.reporting.wording import fixed


def image_cards(per_image: pd.DataFrame, refiner: str) -> list[Card]:
    """IoU of the images before and after, and their gains; empty where no image has both."""
    pairs = image_pairs(per_image)
    if not pairs.base.size:
        return []
    counts = f"{pairs.better} of {pairs.base.size} images better, {pairs.worse} worse"
    undefined = f" Left out, because their IoU is undefined: {pairs.undefined}." if pairs.undefined else ""
    low, middle, high = np.percentile(100 * (pairs.refined - pairs.base), (5, 50, 95))
    spread = (
        f"Median {fixed(middle, 1, signed=True)} points; 90 % of the images lie between "
        f"{fixed(low, 1, signed=True)} and {fixed(high, 1, signed=True)}."
    )
    return [
        draw_card(
            "images-before-after",
            "IoU of each image, before and after",
            f"Scatter of IoU per image, base model against {refiner}: {counts}.",
            f"{counts}. Above the diagonal, {refiner} is better.{undefined}",
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
