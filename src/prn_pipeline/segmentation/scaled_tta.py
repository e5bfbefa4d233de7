"""TTA over flips and scales: the images are resized, too, for comparison methods and refiners."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.segmentation.maps import FLIPS
from prn_pipeline.training.inference import MAX_BATCH_PIXELS
from prn_pipeline.training.tiles import GRID, Tiles

logger = logging.getLogger(__name__)


class OtherScales(nn.Module):
    """A base model that returns the sum of its logits over all flips of the image at other scales than its own.

    The support images of a few-shot model are resized, too, but not flipped. Their masks may have any size.

    Args:
        model: trained network, or imported module with its weights.
        scales: see `scaled_side`.
    """

    def __init__(self, model: nn.Module, scales: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        self._scales = tuple(scales)

    @property
    def sees_whole_maps(self) -> bool:
        """Whether images must not be cut into tiles."""
        return bool(getattr(self.model, "sees_whole_maps", False))

    @property
    def passes(self) -> int:
        """Number of logits in the sum."""
        return len(self._scales) * len(FLIPS)

    def images_at_once(self, side: int, tiles: Tiles) -> int:
        """Images in a batch whose enlarged images or tiles have at most `MAX_BATCH_PIXELS`; at least one.

        Args:
            side: longer side of the images in pixels.
            tiles: tiles that larger images are cut into, unless the model sees whole images only.
        """
        given = side if self.sees_whole_maps else min(side, tiles.size)
        return max(1, MAX_BATCH_PIXELS // max(scaled_side(given, scale) for scale in self._scales) ** 2)

    def forward(self, images: Tensor, *support: Tensor) -> Tensor:
        """Images (N,3,H,W), values 0 .. 255, and the support of a few-shot model -> float32 (N,C,H,W)."""
        return torch.stack([self._over_flips(images, support, scale) for scale in self._scales]).sum(0)

    def _over_flips(self, images: Tensor, support: tuple[Tensor, ...], scale: float) -> Tensor:
        height, width = images.shape[-2:]
        resized, *others = _at_scale((images, *support), scale)
        passes = [one_vs_rest(self.model(resized.flip(axes), *others).float()).flip(axes) for axes in FLIPS]
        return _resized(torch.stack(passes).sum(0), (height, width))


def mean_over_scales(own: Tensor, sums: Tensor, passes: int) -> Tensor:
    """The mean over the flips at the image's own scale and over the passes at others.

    Args:
        own: mean logits over `FLIPS` at the image's own scale, float of any shape.
        sums: sum of `OtherScales`, of the same shape.
        passes: number of logits in each sum.
    """
    return (len(FLIPS) * own.float() + sums.float()) / (len(FLIPS) + passes)


def _at_scale(inputs: Sequence[Tensor], scale: float) -> list[Tensor]:
    """Images (N,3,H,W), and of the support its images (N,K,3,H,W), resized; its masks (N,K,H,W) as they are."""
    image, *support = inputs
    size = scaled_side(image.shape[-2], scale), scaled_side(image.shape[-1], scale)
    resized = [
        _resized(one.flatten(0, 1), size).unflatten(0, one.shape[:2]) if one.ndim == 5 else one for one in support
    ]
    return [_resized(image, size), *resized]


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(pixel_values(maps), size=size, mode="bilinear", align_corners=False, antialias=True)


def scaled_side(side: int, scale: float) -> int:
    """A side in pixels at another scale: the nearest multiple of `tiles.GRID`, which networks need.

    Of two as near it is the one farther from the side; one on the wrong side of it, or the side itself, is passed over.
    """
    steps = scale * side / GRID
    if scale < 1:
        return GRID * max(1, min(math.ceil(steps - 0.5), math.ceil(side / GRID) - 1))
    return GRID * max(math.floor(steps + 0.5), side // GRID + 1)


def usable_scales(model: nn.Module, inputs: Sequence[Tensor], scales: Sequence[float]) -> tuple[float, ...]:
    """The scales that give the model an image of another size which it supports, each size once.

    Many networks take one size only. Nobody should have to know that before a run: a warning says at which scales the
    comparison goes without them.

    Args:
        model: network.
        inputs: one image (1,3,H,W), of a size that the model supports, and the support of a few-shot model.
        scales: 1 is left out, because the flips at the image's own scale are TTA already.
    """
    height, width = inputs[0].shape[-2:]
    usable: dict[tuple[int, int], float] = {}
    failures: dict[float, str] = {}
    training = model.training
    for scale in scales:
        size = scaled_side(height, scale), scaled_side(width, scale)
        if scale == 1 or size in usable or size == (height, width):
            continue
        try:
            with torch.no_grad():
                found = model.eval()(*_at_scale(inputs, scale))
            if tuple(found.shape[-2:]) == size:
                usable[size] = scale
            else:
                failures[scale] = (
                    f"its maps are {found.shape[-2]} x {found.shape[-1]} pixels for an image of {size[0]} x {size[1]}"
                )
        except Exception as error:  # a network may raise anything
            failures[scale] = f"{type(error).__name__}: {error}"
    model.train(training)
    if failures:
        logger.warning(
            "the base model does not support images at %s of their size (%s), so TTA goes without: logit_caching."
            "tta_scales=%s leaves that out from the start",
            " and ".join(map(str, failures)),
            "; ".join(dict.fromkeys(failures.values())),
            list(usable.values()),
        )
    return tuple(usable.values())
