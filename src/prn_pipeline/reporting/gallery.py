"""Picture rows: the maps and masks of base model and refiner, and where each is wrong."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from PIL import Image

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.reporting.inputs import GalleryRow

# Pictures keep their dark background in both colour schemes, so these colours do not depend on the theme.
GROUND, HIT, FALSE_POSITIVE, FALSE_NEGATIVE = "#11161c", "#f3f5f7", "#f0883e", "#4ea8f0"
IGNORED, IGNORED_STRIPE = "#4a535e", "#6d7783"
MAP_COLOURS = LinearSegmentedColormap.from_list(
    "probability", ("#0b0f14", "#123f4d", "#1d8a83", "#8fd8b0", "#fbfbe9"), N=256
)
MAX_SIDE = 320  # pixels
PIXEL_BUDGET = 600_000  # of one panel over all rows: a page of pure noise stays below 6 MB
STRIPE = 6  # pixels
GAP = 8  # pixels


@dataclass(frozen=True)
class Panel:
    """One picture of a row: `title` below it, `alt` for screen readers, `pixels` uint8 (h, w, 3)."""

    title: str
    alt: str
    pixels: np.ndarray
    photograph: bool = False

    @property
    def data_uri(self) -> str:
        """The picture for `img src`: JPEG for photographs, PNG for flat colours."""
        picture, buffer = Image.fromarray(self.pixels), io.BytesIO()
        if self.photograph:
            picture.save(buffer, format="JPEG", quality=86)
            return data_uri(buffer.getvalue(), "image/jpeg")
        picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        return data_uri(buffer.getvalue(), "image/png")


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as a data: URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def panel_side(rows: int) -> int:
    """Longest side of a picture in pixels: the more rows, the smaller."""
    return max(48, min(MAX_SIDE, math.isqrt(PIXEL_BUDGET // max(rows, 1))))


def panels(row: GalleryRow, refiner: str, side: int = MAX_SIDE) -> list[Panel]:
    """Image, base map, base mask, refined map, refined mask, truth; none longer than `side` pixels."""
    pictures = [Panel("Image", f"Image {row.sample_id}", shrink(row.image, side), photograph=True)]
    for name, probability, prediction in (
        ("Base", row.base_probability, row.base_mask),
        (refiner, row.refined_probability, row.refined_mask),
    ):
        false_positives, false_negatives = error_counts(prediction, row.mask)
        pictures += [
            Panel(f"{name} map", f"{name} probability map of {row.sample_id}", shrink(coloured_map(probability), side)),
            Panel(
                f"{name} mask",
                f"{name} mask of {row.sample_id}: {false_positives} false positive and "
                f"{false_negatives} false negative pixels",
                shrink(error_picture(prediction, row.mask), side),
            ),
        ]
    truth = Panel("Truth", f"True mask of {row.sample_id}", shrink(error_picture(row.mask == 1, row.mask), side))
    return [*pictures, truth]


def error_counts(prediction: np.ndarray, mask: np.ndarray) -> tuple[int, int]:
    """(false positives, false negatives) in pixels, outside ignored pixels; arguments as in `error_picture`."""
    predicted = prediction.astype(bool)
    return int((predicted & (mask == 0)).sum()), int((~predicted & (mask == 1)).sum())


def error_picture(prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A prediction coloured by where it is right and wrong.

    Args:
        prediction: bool or 0/1 (H, W).
        mask: uint8 (H, W), 0/1 and 255 = ignore.

    Returns:
        uint8 (H, W, 3): hits white, false positives orange, false negatives blue, ignored pixels striped grey.
    """
    predicted = prediction.astype(bool)
    picture = np.empty((*mask.shape, 3), np.uint8)
    picture[:] = _rgb(GROUND)
    picture[predicted & (mask == 1)] = _rgb(HIT)
    picture[predicted & (mask == 0)] = _rgb(FALSE_POSITIVE)
    picture[~predicted & (mask == 1)] = _rgb(FALSE_NEGATIVE)
    rows, columns = np.indices(mask.shape)
    striped = (rows + columns) // STRIPE % 2 == 0
    picture[mask == IGNORE] = _rgb(IGNORED)
    picture[(mask == IGNORE) & striped] = _rgb(IGNORED_STRIPE)
    return picture


def coloured_map(probability: np.ndarray) -> np.ndarray:
    """Probabilities in [0, 1] (H, W) as colours from dark to bright, uint8 (H, W, 3); NaN is grey."""
    picture = MAP_COLOURS(np.clip(np.nan_to_num(probability.astype(np.float32)), 0, 1), bytes=True)[..., :3]
    return np.where(np.isnan(probability)[..., None], _rgb(IGNORED), picture).astype(np.uint8)


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """The uint8 (H, W, 3) picture with its longest side at most `side`; smaller pictures are not enlarged."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def strip(pictures: list[Panel]) -> bytes:
    """The panels of a row side by side as one PNG on white."""
    height = pictures[0].pixels.shape[0]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    parts = [part for panel in pictures for part in (panel.pixels, gap)][:-1]
    buffer = io.BytesIO()
    Image.fromarray(np.hstack(parts)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _rgb(colour: str) -> np.ndarray:
    return np.rint(255 * np.asarray(to_rgb(colour))).astype(np.uint8)
