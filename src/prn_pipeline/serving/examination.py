"""From the inputs of a predictor to masks and statistics, at the size of training or at the images' own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from prn_pipeline.data.canvas import Canvas
from prn_pipeline.data.image_resizing import image_placed, image_stretched
from prn_pipeline.data.resizing import placed_maps
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import describe
from prn_pipeline.metrics.map_quality.statistics import quality_statistics
from prn_pipeline.segmentation.map_stack import further_arrays
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.networks import Networks
from prn_pipeline.serving.predicted import Examined, from_logits
from prn_pipeline.training.tiles import GRID


def examine_on_canvas(
    networks: Networks, canvas: Canvas, batch: Sequence[Item], further: Sequence[str], tta_is_mean: bool
) -> Iterator[Examined]:
    """Examine a batch, each image brought to the size of training.

    Args:
        networks: base model and refiner.
        canvas: size of training, and how images fill it.
        batch: inputs, all of them with maps or all without.
        further: names of the arrays of further maps that the refiner reads.
        tta_is_mean: whether the base model's maps are the mean over flips already.
    """
    placed = [None if item.image is None else image_placed(item.image, canvas)[None] for item in batch]
    given = [image for image in placed if image is not None]
    maps = [placed_maps(torch.from_numpy(item.logits), canvas, item.shape) for item in batch if item.logits is not None]
    images = np.concatenate(given) if len(given) == len(batch) else None
    arrays = _further_arrays(canvas, batch, maps, further, tta_is_mean)
    found = networks.logits(images, np.stack(maps) if maps else None, arrays)
    for index, item in enumerate(batch):
        region, image = canvas.region(item.shape), placed[index]
        base, refined = (region.of(logits[index : index + 1]) for logits in found)
        description = partial(describe, None if image is None else region.of_images(image), base, refined)
        quality = partial(_quality, base, refined)
        yield Examined(from_logits(refined[0], item.shape), base[0], description, quality)


def examine_at_own_scale(networks: Networks, canvas: Canvas, item: Item, base_model: MapSource) -> Examined:
    """Examine an image at its own size, in tiles.

    Raises:
        UserError: the item has maps or no image, or the base model has a fixed input size.
    """
    if item.image is None or item.logits is not None:
        raise UserError("maps of another program cannot be refined with at_own_scale: pass images without maps")
    if (shape := getattr(base_model.settings, "input_shape", None)) is not None:
        raise UserError(
            f"the base model sees every image at input_size = {shape[0]} x {shape[1]}, so that at_own_scale would"
            f" change the scale of what it sees: cut the scene into images like those of training"
            f" ({canvas.shown} pixels), or refine it without at_own_scale"
        )
    height, width = item.shape
    grid = math.lcm(GRID, networks.refiner.settings.multiple)
    padding = ((0, -height % grid), (0, -width % grid), (0, 0))
    found = networks.logits(np.pad(item.image, padding, mode="symmetric")[None])
    base, refined = (logits[:, :, :height, :width] for logits in found)
    region = canvas.region((height, width))
    step = max(1, min(height // region.height, width // region.width))
    image = image_stretched(item.image, region.shape)[None]
    description = partial(describe, image, base[..., ::step, ::step], refined[..., ::step, ::step])
    quality = partial(_quality, base, refined)
    return Examined(from_logits(refined[0], (height, width)), base[0], description, quality)


def _further_arrays(
    canvas: Canvas,
    batch: Sequence[Item],
    maps: Sequence[NDArray[np.float16]],
    further: Sequence[str],
    tta_is_mean: bool,
) -> Mapping[str, NDArray[np.float16]]:
    """Arrays (N,C,K,H,W) of the further maps that all items of a batch have and the refiner reads."""
    names = [name for name in further if all(name in item.further for item in batch)]
    made = [
        further_arrays(
            base,
            {
                name: [placed_maps(torch.from_numpy(one), canvas, item.shape) for one in item.further[name]]
                for name in names
            },
            tta_is_mean,
        )
        for base, item in zip(maps, batch, strict=False)
    ]
    return {name: np.stack([arrays[name] for arrays in made]) for name in names} if made else {}


def _quality(base: NDArray[np.float16], refined: NDArray[np.float16]) -> NDArray[np.float64]:
    """`quality_statistics` (2,) of one image's maps (1,C,H,W)."""
    return quality_statistics(base, refined)[0]
