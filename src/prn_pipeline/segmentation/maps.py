"""What a base model says of an image, and what refiners may read of it besides: other tta, and its features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit
from torch import Tensor, nn

from prn_pipeline.errors import UserError

#: Axes along which the image is flipped for each view: not at all, left-right, top-bottom, both.
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


class BaseMaps(NamedTuple):
    """Maps of a batch of images, C of each: 1 of foreground, or one a class of that class against all others.

    Attributes:
        logits: (N,C,H,W), of the image as it is.
        tta: (N,C,2,H,W), mean and standard deviation of the logits over all flips; None where not asked for.
        features: (N,C,h,w), the decoder's last map, h at most H / 2; None where not asked for.
    """

    logits: Tensor
    tta: Tensor | None
    features: Tensor | None


class MapMaker(nn.Module):
    """A base model that gives `BaseMaps`.

    Args:
        model: trained, or imported with its weights.
        tta: look at each image four times; three more passes of the model.
        features: keep the decoder's last map, which costs nothing but space.

    Raises:
        UserError: features of a model that nobody knows the inside of.
    """

    def __init__(self, model: nn.Module, tta: bool = True, features: bool = True) -> None:
        super().__init__()
        if features and not hasattr(model, "with_features"):
            raise UserError(
                "logit_caching.keep names features, which an imported module does not offer: take features out of it,"
                " and a refiner that does not read them"
            )
        self.model = model
        self._uses_tta = tta
        self._features = features

    def forward(self, images: Tensor, *shown: Tensor) -> BaseMaps:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255, and what else the model takes."""
        features = None
        if self._features:
            logits, raw = self.model.with_features(images)  # type: ignore[operator]
            features = at_half_resolution(raw, images.shape[-2])
        else:
            logits = self.model(images, *shown)
        logits = one_vs_rest(logits.float())
        return BaseMaps(logits, self._tta(images, shown, logits) if self._uses_tta else None, features)

    def _tta(self, images: Tensor, shown: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        flipped = [one_vs_rest(self.model(images.flip(axes), *shown).float()).flip(axes) for axes in FLIPS[1:]]
        seen = torch.stack([logits, *flipped])
        return torch.stack([seen.mean(0), seen.std(0, correction=0)], dim=2)


def one_vs_rest(logits: Tensor) -> Tensor:
    """Logits of a softmax (N,C,H,W) -> of each class against all others together, whose sigmoid is the softmax.

    One map alone, (N,1,H,W), is of foreground against background already.
    """
    classes = logits.shape[1]
    if classes == 1:
        return logits
    others = [[other for other in range(classes) if other != one] for one in range(classes)]
    return torch.stack([logits[:, one] - logits[:, rest].logsumexp(1) for one, rest in enumerate(others)], dim=1)


def at_half_resolution(features: Tensor, height: int) -> Tensor:
    """Features (N,C,h,w) in float32, averaged down until h is at most `height` / 2; coarser ones stay as they are."""
    factor = max(1, -(-2 * features.shape[-2] // height))
    return F.avg_pool2d(features.float(), factor)


def normalised(logits: np.ndarray) -> np.ndarray:
    """Logits (N,C,H,W) of each class against the others -> probabilities that sum to 1, float32."""
    probabilities = expit(logits)
    return probabilities / np.maximum(probabilities.sum(1, keepdims=True), np.finfo(np.float32).tiny)
