"""Samples with their masks, chosen and drawn so that a person sees whether they belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageColor

from prn_pipeline.data.sample_format import IGNORE, Pixels
from prn_pipeline.data.shades import as_colours

#: Samples of each split that are shown.
SHOWN = {"train": 6, "val": 3, "test": 3}
#: Longest side of a picture in pixels.
SIDE = 240
#: Foreground, and the colours of several classes: a palette for colour-blind readers (Okabe and Ito).
FOREGROUND = "#2ee6d0"
CLASSES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
IGNORED = "#6d7783"
#: Opacity of a mask over its image, and of ignored pixels.
OPACITY, IGNORED_OPACITY = 0.38, 0.7


@dataclass(frozen=True)
class ShownSample:
    """A sample as the sheet shows it.

    Attributes:
        sample_id: any text.
        split: train, val or test.
        foreground: share of its pixels in [0, 1]; NaN if all are ignored.
        image: uint8 (h, w, 3).
        marked: the same with the mask on it, uint8 (h, w, 3).
    """

    sample_id: str
    split: str
    foreground: float
    image: NDArray[np.uint8]
    marked: NDArray[np.uint8]


def choose(manifest: pd.DataFrame) -> list[int]:
    """Rows to show: of each split those from least to most foreground, in equal steps."""
    rows: list[int] = []
    for split, count in SHOWN.items():
        ordered = manifest.loc[manifest["split"] == split, "foreground"].sort_values(kind="stable").index.to_numpy()
        steps = np.unique(np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int))
        rows += [int(manifest.index.get_loc(label)) for label in ordered[steps]]
    return rows


def shown_samples(
    manifest: pd.DataFrame, rows: Sequence[int], images: Sequence[Pixels], masks: Sequence[NDArray[np.uint8]]
) -> list[ShownSample]:
    """The chosen samples in the proportions of their files.

    Args:
        manifest: of the data set.
        rows: of the manifest, as `choose` returns them.
        images: stored images of these rows, (S, S, bands).
        masks: stored masks of these rows, uint8 (S, S).
    """
    shown = []
    for row, image, mask in zip(rows, images, masks, strict=True):
        facts = manifest.iloc[row]
        height, width = int(facts["native_height"]), int(facts["native_width"])
        scale = SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = np.asarray(Image.fromarray(as_colours(image)).resize(size, Image.Resampling.BILINEAR))
        truth = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        sample_id, split, share = str(facts["sample_id"]), str(facts["split"]), float(facts["foreground"])
        shown.append(ShownSample(sample_id, split, share, picture, marked(picture, truth)))
    return shown


def marked(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, a little paler, under its mask: foreground tinted with an outline, ignored pixels grey.

    Args:
        image: uint8 (h, w, 3).
        mask: uint8 (h, w): 0 background, 1 or class ids, 255 ignored.
    """
    picture = image.astype(np.float32)
    classes = [value for value in np.unique(mask).tolist() if value not in (0, IGNORE)]
    for value in classes:
        colour = _rgb(FOREGROUND if classes == [1] else CLASSES[(value - 1) % len(CLASSES)])
        area = mask == value
        picture[area] = (1 - OPACITY) * picture[area] + OPACITY * colour
        picture[area & ~_eroded(area)] = colour
    ignored = mask == IGNORE
    picture[ignored] = (1 - IGNORED_OPACITY) * picture[ignored] + IGNORED_OPACITY * _rgb(IGNORED)
    return np.rint(picture).astype(np.uint8)


def _rgb(colour: str) -> NDArray[np.float32]:
    return np.asarray(ImageColor.getrgb(colour), np.float32)


def _eroded(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose four neighbours are inside too; the border of the picture is no outline."""
    wide = np.pad(area, 1, constant_values=True)
    return wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
