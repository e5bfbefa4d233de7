"""What every method says of the same maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from prn_pipeline.refinement import Decision, FixedThreshold, PatchOracle, RankSeg
from prn_pipeline.stages.evaluation.map_pairs import MapBatch

#: Methods in the order of every table. `tta` is the mean of the base model's logits over other tta of the image,
#: measured where they were kept. `patch_oracle` sees the truth: no rival, the most thresholds can do.
METHODS = ("base", "tuned_threshold", "rankseg", "tta", "prn", "patch_oracle")


class Prediction(NamedTuple):
    """What a method says of a batch: masks bool (N,H,W), and probabilities float32 (N,H,W) unless it only decides."""

    masks: np.ndarray
    probabilities: np.ndarray | None


def predictions(maps: MapBatch, threshold: float, patch_size: int) -> dict[str, Prediction]:
    """What each of `METHODS` says of a batch, in that order; without `tta` where the batch has none."""
    base, truth = torch.from_numpy(maps.base)[:, None], torch.from_numpy(maps.masks)
    methods: dict[str, Callable[..., Tensor]] = {
        "base": nn.Identity(),
        "tuned_threshold": FixedThreshold(threshold),
        "rankseg": RankSeg(),
        "tta": lambda _: torch.from_numpy(maps.tta)[:, None],
        "prn": lambda _: torch.from_numpy(maps.refined)[:, None],  # it has run already: `refine_test_maps`
        "patch_oracle": PatchOracle(patch_size),
    }
    if maps.tta is None:
        del methods["tta"]
    said = {}
    for name, method in methods.items():
        logits = (method(base, truth) if isinstance(method, PatchOracle) else method(base))[:, 0].numpy()
        said[name] = Prediction(logits > 0, None if isinstance(method, Decision) else expit(logits))
    return said
