"""A base model for things it has never seen: what to segment is shown to it in a few labelled images.

Prototypes by masked average pooling (Zhang et al., SG-One, 2020), of the object and of what surrounds it; how near each
place of the query is to either, and to its nearest place of the object (Tian et al., PFENet, 2020), goes to a light
decoder. What the decoder sees of the query besides has few channels, so that it cannot learn categories by heart.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.data.episodes import SUPPORT, episode_samples, support_ids
from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.normalisation import statistics
from prn_pipeline.segmentation.protocol import CacheRequest, MapCache
from prn_pipeline.segmentation.settings import FewShotSettings
from prn_pipeline.segmentation.smp_model import check_stride, encoder_of

#: Stages of the encoder that are compared, of stride 8 and 16; the decoder begins at the first.
COMPARED = (3, 4)
#: The stage, of stride 4, whose detail the decoder adds.
FINER = 2
#: Maps of likeness a stage: to the object, to what surrounds it, to the nearest place of the object.
LIKENESSES = 3


class FewShotModel(NetworkSource):
    """RGB images and a few labelled ones to foreground logits.

    Args:
        settings: encoder, shots, width of the decoder.
        pretrained: fetch `settings.encoder_weights`.
    """

    mean: Tensor
    std: Tensor

    #: Arrays that `forward` takes, in order.
    arrays = ("images", "support_images", "support_masks")

    def __init__(self, settings: FewShotSettings, pretrained: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = encoder_of(
            settings.encoder, settings.encoder_weights if pretrained else None, max(COMPARED), settings.channels
        )
        channels, width = self.encoder.out_channels, settings.width
        few = width // 4
        self.coarse = nn.Conv2d(channels[COMPARED[0]], few, kernel_size=1)
        self.fine = nn.Conv2d(channels[FINER], few, kernel_size=1)
        self.decoder = nn.Sequential(_block(few + LIKENESSES * len(COMPARED), width), _block(width, width))
        self.head = nn.Sequential(_block(width + few, width), nn.Conv2d(width, 1, kernel_size=1))
        mean, std = statistics(settings.channels)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, images: Tensor, support_images: Tensor, support_masks: Tensor) -> Tensor:
        """Query and support to logits.

        Args:
            images: (N,3,H,W), uint8 or float, values 0 .. 255; H and W multiples of 16.
            support_images: (N,K,3,H,W), as images.
            support_masks: (N,K,H,W): 1 the object, 0 not, 255 neither.

        Returns:
            Logits (N,1,H,W).
        """
        size, shots = images.shape[-2:], support_images.shape[1]
        both = torch.cat([images, support_images.flatten(0, 1)])
        stages = self.encoder((pixel_values(both) - self.mean) / self.std)
        query, support = zip(*(maps.tensor_split([len(images)]) for maps in stages), strict=True)
        likenesses = [
            _likenesses(query[stage], support[stage].unflatten(0, (-1, shots)), support_masks) for stage in COMPARED
        ]
        coarse = self.coarse(query[COMPARED[0]])
        drawn = [F.interpolate(maps, size=coarse.shape[-2:], mode="bilinear") for maps in likenesses]
        decoded = self.decoder(torch.cat([coarse, *(maps.to(coarse.dtype) for maps in drawn)], dim=1))
        fine = self.fine(query[FINER])
        finer = F.interpolate(decoded, size=fine.shape[-2:], mode="bilinear")
        return F.interpolate(self.head(torch.cat([finer, fine], dim=1)).float(), size=size, mode="bilinear")

    def prepared(self, samples: Samples) -> Samples:
        """Samples with a support set for each, drawn once for all (`data.episodes`)."""
        return episode_samples(samples, self.settings.shots, self.settings.episodes_seed)

    def map_cache(self, samples: Samples, maps: pd.DataFrame, request: CacheRequest) -> MapCache:
        """See `protocol.MapSource`; the manifest also names the support of each map."""
        cache = super().map_cache(samples, maps, request)
        cache.manifest[SUPPORT] = support_ids(self.prepared(samples))
        return cache

    def check_size(self, size: int) -> None:
        """Raise UserError, with sizes that fit, when samples of side `size` do not fit the network."""
        check_stride(f"encoder {self.settings.encoder}", 2 ** max(COMPARED), size)


class _Prototypes(NamedTuple):
    """Mean feature of the object and of what surrounds it, each (N,C,1,1), of length 1."""

    object: Tensor
    around: Tensor


def _likenesses(query: Tensor, support: Tensor, masks: Tensor) -> Tensor:
    """Cosines with the object, its surroundings, and the object's nearest place: (N,3,h,w), float32.

    Args:
        query: (N,C,h,w).
        support: (N,K,C,h,w).
        masks: (N,K,H,W).
    """
    with torch.autocast(query.device.type, enabled=False):
        query, support = F.normalize(query.float(), dim=1), support.float()
        there = F.interpolate((masks == 1).float(), size=query.shape[-2:], mode="area")  # share of each place
        around = F.interpolate((masks == 0).float(), size=query.shape[-2:], mode="area")
        prototypes = _Prototypes(_pooled(support, there), _pooled(support, around))
        near = torch.einsum("ncq,nkcs->nkqs", query.flatten(2), F.normalize(support, dim=2).flatten(3))
        most = there.flatten(2).amax(-1, keepdim=True)
        off = ((there.flatten(2) < 0.5 * most) | (most == 0)).unsqueeze(2)
        nearest = near.masked_fill(off, -1.0).amax((1, 3)).view(len(query), 1, *query.shape[-2:])
        cosines = [(query * prototype).sum(1, keepdim=True) for prototype in prototypes]
        return torch.cat([*cosines, nearest], dim=1)


def _pooled(support: Tensor, weights: Tensor) -> Tensor:
    """Mean over all places of all shots by weight (Zhang et al.), of length 1: (N,C,1,1)."""
    weights = weights.unsqueeze(2)
    mean = (support * weights).sum((1, 3, 4)) / weights.sum((1, 3, 4)).clamp(min=1e-3)
    return F.normalize(mean, dim=1)[:, :, None, None]


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class FewShotKind:
    """See `protocol.MapSourceKind`."""

    name = "few_shot"
    settings = FewShotSettings

    def build(self, settings: FewShotSettings, pretrained: bool) -> FewShotModel:
        """The network that settings describe."""
        return FewShotModel(settings, pretrained)


FEW_SHOT = FewShotKind()
