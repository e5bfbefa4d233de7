"""The sheet of samples as one PNG: each image beside itself with its mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from prn_pipeline.reporting.dataset.samples import ShownSample
from prn_pipeline.reporting.theme import LIGHT, Theme, draw_png, new_figure

COLUMNS = 3
#: Inches of one sample: the pair of pictures, and the caption below it.
PAIR_WIDTH, CAPTION = 4.0, 0.3
#: Characters of a sample's id in its caption.
MAX_NAME = 34


def sheet_png(name: str, total: int, samples: Sequence[ShownSample]) -> bytes:
    """The sheet of data set `name`, which has `total` samples."""
    return draw_png(partial(_draw, name, total, samples), LIGHT)


def _draw(name: str, total: int, samples: Sequence[ShownSample], theme: Theme) -> Figure:
    rows = max(1, math.ceil(len(samples) / COLUMNS))
    tallest = max((sample.image.shape[0] / sample.image.shape[1] for sample in samples), default=1.0)
    height = rows * (PAIR_WIDTH / 2 * min(tallest, 1.4) + CAPTION) + 0.6
    figure = new_figure(COLUMNS * PAIR_WIDTH, height)
    figure.suptitle(
        f"{name}: {len(samples)} of {total:,} samples, each beside its mask",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=theme.ink,
    )
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for place, one in enumerate(axes):
        one.set_axis_off()
        if place >= len(samples):
            continue
        sample = samples[place]
        gap = np.full((sample.image.shape[0], max(2, sample.image.shape[1] // 60), 3), 255, np.uint8)
        one.imshow(np.hstack([sample.image, gap, sample.marked]), interpolation="antialiased")
        one.set_title(caption(sample), fontsize=9, color=theme.muted, pad=5)
    return figure


def caption(sample: ShownSample) -> str:
    """`train · photo_17 · 12.3 % foreground`."""
    name = sample.sample_id if len(sample.sample_id) <= MAX_NAME else f"{sample.sample_id[: MAX_NAME - 1]}…"
    share = "all ignored" if math.isnan(sample.foreground) else f"{100 * sample.foreground:.1f} % foreground"
    return f"{sample.split} · {name} · {share}"
