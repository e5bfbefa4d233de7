"""Images whose aspect a square of samples changes: objects in them are squeezed."""

from __future__ import annotations

import logging

import pandas as pd

from prn_pipeline.data.canvas import canvas_of
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import counted_of

logger = logging.getLogger(__name__)

#: Ratio of the aspects of an image and of its sample from which a message names the image.
MOST = 1.1
#: Images in one message.
MAX_LISTED = 3


def warn_of_stretched(name: str, settings: DatasetSettings, manifest: pd.DataFrame) -> int:
    """Warn of images that stretching changes by more than 10 % in aspect.

    Args:
        name: the data set's name, for messages.
        settings: of the data set; nothing is said where they keep the aspect.
        manifest: sample_id, native_height and native_width of all samples.

    Returns:
        The number of such images.
    """
    canvas = canvas_of(settings.image_size)
    if canvas.letterboxed:
        return 0
    aspect = manifest["native_height"] / manifest["native_width"] * canvas.width / canvas.height
    stretched = manifest[(aspect > MOST) | (aspect < 1 / MOST)]
    if len(stretched):
        rows = stretched.head(MAX_LISTED)
        listed = ", ".join(f"{row.sample_id} ({row.native_height} x {row.native_width})" for row in rows.itertuples())
        logger.warning(
            "data set '%s': %s stretched by more than 10 %% in aspect to squares of %d pixels: %s%s"
            " (height x width). To keep their aspect, set `image_size: {long_side: %d}`, which pads them",
            name,
            counted_of(len(stretched), len(manifest), "images"),
            canvas.height,
            listed,
            ", ..." if len(stretched) > MAX_LISTED else "",
            canvas.height,
        )
    return len(stretched)
