"""Cells to learn from, drawn from stored maps: more of them where the base model errs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement.trees.boosting import Pixels
from prn_pipeline.refinement.trees.ensemble import features_and_start
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.training.channels import channels_first

#: Maps whose features are computed at once.
AT_ONCE = 4
#: Interest in a cell where the base model is right and sure; a cell where it is wrong and sure has 1 more.
LEAST_INTEREST = 0.3
#: Cells of a map that are drawn even if the maps are many.
FEWEST = 200


def draw_pixels(samples: Samples, rows: np.ndarray, settings: TreesSettings, seed: int) -> tuple[Pixels, np.ndarray]:
    """Cells of some maps, each weighted by the number of cells that it stands for, and the row of each cell.

    Args:
        samples: samples with masks, groups and the inputs of the refiner.
        rows: rows of maps to learn from, int (n,).
        settings: settings of the refiner.
        seed: seed of the draw.

    Returns:
        The cells, and for each the position of its map in `rows`, int64.
    """
    rng = np.random.default_rng(seed)
    per_map = max(FEWEST, settings.pixels // len(rows))
    groups = np.unique(samples.manifest["group"].to_numpy()[rows], return_inverse=True)[1]
    features, targets, weights, positions = [], [], [], []
    for first in range(0, len(rows), AT_ONCE):
        part = rows[first : first + AT_ONCE]
        maps = [channels_first(torch.from_numpy(samples.array(name, part))) for name in settings.arrays]
        columns = features_and_start(settings, *maps)[0].flatten(2).numpy()
        shares, valid = _shares(torch.from_numpy(samples.array("masks", part)), settings.stride)
        for number in range(len(part)):
            error = np.abs(shares[number] - 1 / (1 + np.exp(-columns[number, 0])))
            interest = valid[number] * (LEAST_INTEREST + error)
            chance = np.minimum(1, per_map * interest / max(interest.sum(), 1e-9))
            drawn = np.flatnonzero(rng.random(len(chance)) < chance)
            features.append(columns[number][:, drawn])
            targets.append(shares[number, drawn])
            weights.append(valid[number, drawn] / chance[drawn])
            positions.append(np.full(len(drawn), first + number))
    position = np.concatenate(positions)
    pixels = Pixels(np.concatenate(features, 1), np.concatenate(targets), np.concatenate(weights), groups[position])
    return pixels, position


def _shares(masks: Tensor, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of foreground in the valid pixels of each cell, and share of valid pixels: each float64 (N, cells)."""
    both = torch.stack([(masks == 1), (masks != IGNORE)], dim=1).double()
    foreground, valid = F.avg_pool2d(both, stride).flatten(2).unbind(1)
    return (foreground / valid.clamp(min=1e-9)).numpy(), valid.numpy()
