"""The sheet of samples as one PNG: each image beside itself with its mask."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from prn_pipeline.reporting.colours import LIGHT
from prn_pipeline.reporting.dataset.samples import SIDE, ShownSample

# Drawn without matplotlib's figures, which would take longer than ingestion takes for a hundred images.
COLUMNS = 3
#: Pixels: around the sheet and between samples, between the two pictures of one, of a caption, and of the title.
MARGIN, GAP, CAPTION, TITLE = 28, 4, 30, 64
#: Characters of a sample's id in its caption.
MAX_NAME = 30


def sheet_png(name: str, total: int, samples: Sequence[ShownSample]) -> bytes:
    """The sheet of data set `name`, which has `total` samples."""
    pair = 2 * SIDE + GAP
    rows = [samples[start : start + COLUMNS] for start in range(0, len(samples), COLUMNS)]
    heights = [max(sample.image.shape[0] for sample in row) + CAPTION + MARGIN for row in rows]
    size = (MARGIN + COLUMNS * (pair + MARGIN), TITLE + sum(heights) + MARGIN // 2)
    sheet = Image.new("RGB", size, LIGHT.card)
    draw = ImageDraw.Draw(sheet)
    title = f"{name}: {len(samples)} of {total:,} samples, each beside its mask"
    draw.text((MARGIN, TITLE // 2), title, LIGHT.ink, _font("DejaVuSans-Bold", 22), anchor="lm")
    top = TITLE
    for row, height in zip(rows, heights, strict=True):
        for column, sample in enumerate(row):
            left = MARGIN + column * (pair + MARGIN)
            draw.text((left, top + 8), caption(sample), LIGHT.muted, _font("DejaVuSans", 13), anchor="lm")
            for place, pixels in enumerate((sample.image, sample.marked)):
                sheet.paste(Image.fromarray(pixels), (left + place * (sample.image.shape[1] + GAP), top + CAPTION))
        top += height
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=3)
    return file.getvalue()


def caption(sample: ShownSample) -> str:
    """`train · photo_17 · 12.3 % foreground`."""
    name = sample.sample_id if len(sample.sample_id) <= MAX_NAME else f"{sample.sample_id[: MAX_NAME - 1]}…"
    share = "all ignored" if math.isnan(sample.foreground) else f"{100 * sample.foreground:.1f} % foreground"
    return f"{sample.split} · {name} · {share}"


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that matplotlib brings, so that the sheet is the same on every machine."""
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)
