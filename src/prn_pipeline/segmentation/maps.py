"""The outputs of a base model for an image: logits, and the further inputs of refiners (TTA and features)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.errors import UserError

#: Flipped axes of each TTA pass: none, left-right, top-bottom, both.
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


class BaseMaps(NamedTuple):
    """Maps of a batch of images, C per image: one for foreground, or one per class (one-vs-rest).

    Attributes:
        logits: (N,C,H,W), of the unflipped image.
        tta: (N,C,2,H,W), mean and standard deviation of the logits over all flips; None if not requested.
        features: (N,F,h,w), the decoder's last map, h at most H / 2; None if not requested.
    """

    logits: Tensor
    tta: Tensor | None
    features: Tensor | None


class MapMaker(nn.Module):
    """A base model that returns `BaseMaps`.

    Args:
        model: trained network, or imported module with its weights.
        tta: add TTA, at the cost of three more passes of the model.
        features: add the decoder's last map, which needs no further pass.

    Raises:
        UserError: features are requested, but the model is an imported module, which does not provide them.
    """

    def __init__(self, model: nn.Module, tta: bool = True, features: bool = True) -> None:
        super().__init__()
        if features and not hasattr(model, "with_features"):
            raise UserError(
                "logit_caching.keep lists features, which an imported module does not provide: remove features from it,"
                " and use a refiner that does not read them"
            )
        self.model = model
        self._uses_tta = tta
        self._features = features

    @property
    def sees_whole_maps(self) -> bool:
        """Whether images must not be cut into tiles."""
        return bool(getattr(self.model, "sees_whole_maps", False))

    def forward(self, images: Tensor, *support: Tensor) -> BaseMaps:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255, and the support of a few-shot model -> `BaseMaps`."""
        features = None
        if self._features:
            logits, raw = self.model.with_features(images)  # type: ignore[operator]
            features = at_half_resolution(raw, images.shape[-2])
        else:
            logits = self.model(images, *support)
        logits = one_vs_rest(logits.float())
        return BaseMaps(logits, self._tta(images, support, logits) if self._uses_tta else None, features)

    def _tta(self, images: Tensor, support: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        flipped = [one_vs_rest(self.model(images.flip(axes), *support).float()).flip(axes) for axes in FLIPS[1:]]
        passes = torch.stack([logits, *flipped])
        mean = passes.mean(0)
        spread = (passes - mean).square_().mean(0).sqrt_()  # Tensor.std over four values takes 26 times as long
        return torch.stack([mean, spread], dim=2)


def at_half_resolution(features: Tensor, height: int) -> Tensor:
    """Features (N,C,h,w) in float32, downsampled by averaging so that h <= `height` / 2; smaller ones are unchanged."""
    factor = max(1, -(-2 * features.shape[-2] // height))
    return F.avg_pool2d(features.float(), factor)
