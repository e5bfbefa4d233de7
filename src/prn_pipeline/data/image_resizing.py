"""Images and masks at the size of samples: stretched, or with their aspect and padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.canvas import Canvas
from prn_pipeline.data.sample_format import IGNORE, Pixels


def image_placed(image: Pixels, canvas: Canvas) -> Pixels:
    """An image (H,W,bands) on a canvas.

    Padding mirrors the image. So its colours are those of the image, no edge is drawn between them, and what networks
    compute beside the border is what they compute anywhere else.
    """
    region = canvas.region((image.shape[0], image.shape[1]))
    return np.pad(image_stretched(image, region.shape), (*canvas.padding(region), (0, 0)), mode="symmetric")


def mask_placed(mask: NDArray[np.uint8], canvas: Canvas) -> NDArray[np.uint8]:
    """A mask (H,W) on a canvas; padding is ignored: 255."""
    region = canvas.region((mask.shape[0], mask.shape[1]))
    return np.pad(mask_stretched(mask, region.shape), canvas.padding(region), constant_values=IGNORE)


def image_stretched(image: Pixels, size: int | tuple[int, int]) -> Pixels:
    """An image (H,W,bands) stretched to a height and width, or a square: bilinear, antialiased where it shrinks."""
    height, width = (size, size) if isinstance(size, int) else size
    if image.dtype == np.uint16:
        import torch  # few data sets have such images, and the others need no PyTorch
        from torch.nn import functional as F

        bands = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
        stretched = F.interpolate(bands, (height, width), mode="bilinear", antialias=True)[0]
        return stretched.permute(1, 2, 0).round().clamp(0, 65535).numpy().astype(np.uint16)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def mask_stretched(mask: NDArray[np.uint8], size: int | tuple[int, int]) -> NDArray[np.uint8]:
    """A mask (H,W) stretched to a height and width, or a square: the nearest pixel."""
    height, width = (size, size) if isinstance(size, int) else size
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
