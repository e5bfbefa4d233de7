"""A few-shot base model: a few labelled images (the support) define what to segment in an image (the query).

Masked average pooling gives prototypes of the object and of its background (Zhang et al., SG-One, 2020). A light
decoder reads the similarity of each query position to both prototypes and to the most similar position of the object
(Tian et al., PFENet, 2020). It reads only a few further channels of the query, so that it cannot memorise categories.
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
from prn_pipeline.segmentation.input_size import at_input_size
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.normalisation import statistics
from prn_pipeline.segmentation.protocol import CacheRequest, MapCache
from prn_pipeline.segmentation.settings import FewShotSettings
from prn_pipeline.segmentation.smp_model import check_stride, encoder_of

#: Encoder stages whose features are compared, of stride 8 and 16; the decoder starts at the first.
COMPARED = (3, 4)
#: Encoder stage, of stride 4, that adds detail to the decoder.
FINER = 2
#: Similarity maps per stage: to the object, to the background, to the most similar position of the object.
SIMILARITIES = 3


class FewShotModel(NetworkSource):
    """RGB images and a few labelled ones to foreground logits.

    Args:
        settings: encoder, number of support images, width of the decoder.
        pretrained: download `settings.encoder_weights`.
    """

    mean: Tensor
    std: Tensor

    #: Inputs of `forward`, in order.
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
        self.decoder = nn.Sequential(_block(few + SIMILARITIES * len(COMPARED), width), _block(width, width))
        self.head = nn.Sequential(_block(width + few, width), nn.Conv2d(width, 1, kernel_size=1))
        mean, std = statistics(settings.channels)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, images: Tensor, support_images: Tensor, support_masks: Tensor) -> Tensor:
        """Query and support to logits.

        Args:
            images: queries (N,3,H,W), uint8 or float, values 0 .. 255; H and W multiples of 16 if there is no
                `input_size`.
            support_images: (N,K,3,H,W), like `images`.
            support_masks: (N,K,H,W): 1 object, 0 background, 255 = ignore.

        Returns:
            Logits (N,1,H,W).
        """
        size, shots = images.shape[-2:], support_images.shape[1]
        both = torch.cat([images, support_images.flatten(0, 1)])
        values = at_input_size(pixel_values(both), self.input_shape)
        stages = self.encoder((values - self.mean) / self.std)
        query, support = zip(*(maps.tensor_split([len(images)]) for maps in stages), strict=True)
        similarities = [
            _similarities(query[stage], support[stage].unflatten(0, (-1, shots)), support_masks) for stage in COMPARED
        ]
        coarse = self.coarse(query[COMPARED[0]])
        resized = [F.interpolate(maps, size=coarse.shape[-2:], mode="bilinear") for maps in similarities]
        decoded = self.decoder(torch.cat([coarse, *(maps.to(coarse.dtype) for maps in resized)], dim=1))
        fine = self.fine(query[FINER])
        finer = F.interpolate(decoded, size=fine.shape[-2:], mode="bilinear")
        return F.interpolate(self.head(torch.cat([finer, fine], dim=1)).float(), size=size, mode="bilinear")

    def prepared(self, samples: Samples) -> Samples:
        """Samples with a fixed support set for each (`data.episodes`)."""
        return episode_samples(samples, self.settings.shots, self.settings.episodes_seed)

    def map_cache(self, samples: Samples, maps: pd.DataFrame, request: CacheRequest) -> MapCache:
        """See `protocol.MapSource`; the manifest also names the support of each map."""
        cache = super().map_cache(samples, maps, request)
        cache.manifest[SUPPORT] = support_ids(self.prepared(samples))
        return cache

    def check_size(self, size: int) -> None:
        """Raise UserError, with sizes that work, if the network does not support samples of side `size`."""
        check_stride(f"encoder {self.settings.encoder}", 2 ** max(COMPARED), size, self.settings.input_size)


class _Prototypes(NamedTuple):
    """Mean feature of the object and of the background, each (N,C,1,1), of length 1."""

    object: Tensor
    background: Tensor


def _similarities(query: Tensor, support: Tensor, masks: Tensor) -> Tensor:
    """Cosine similarity to the object, the background, and the most similar position of the object.

    Args:
        query: features (N,C,h,w).
        support: features (N,K,C,h,w).
        masks: (N,K,H,W).

    Returns:
        float32 (N,3,h,w).
    """
    with torch.autocast(query.device.type, enabled=False):
        query, support = F.normalize(query.float(), dim=1), support.float()
        foreground = F.interpolate((masks == 1).float(), size=query.shape[-2:], mode="area")  # share of each position
        background = F.interpolate((masks == 0).float(), size=query.shape[-2:], mode="area")
        prototypes = _Prototypes(_pooled(support, foreground), _pooled(support, background))
        pairwise = torch.einsum("ncq,nkcs->nkqs", query.flatten(2), F.normalize(support, dim=2).flatten(3))
        largest = foreground.flatten(2).amax(-1, keepdim=True)
        outside = ((foreground.flatten(2) < 0.5 * largest) | (largest == 0)).unsqueeze(2)
        nearest = pairwise.masked_fill(outside, -1.0).amax((1, 3)).view(len(query), 1, *query.shape[-2:])
        cosines = [(query * prototype).sum(1, keepdim=True) for prototype in prototypes]
        return torch.cat([*cosines, nearest], dim=1)


def _pooled(support: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over all positions of all support images (Zhang et al.), of length 1: (N,C,1,1)."""
    weights = weights.unsqueeze(2)
    mean = (support * weights).sum((1, 3, 4)) / weights.sum((1, 3, 4)).clamp(min=1e-3)
    return F.normalize(mean, dim=1)[:, :, None, None]


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
