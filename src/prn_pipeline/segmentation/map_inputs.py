"""The arrays that are stored in addition to the logits where an image has several maps from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS


def further_array(
    name: str, base: NDArray[np.float16], maps: Sequence[NDArray[np.float16]], given_mean: bool
) -> NDArray[np.float16]:
    """The array `SEVERAL_MAPS` or `TTA`, from the base model's logits and further maps (...,S,S)."""
    return mean_and_others(base, maps) if name == SEVERAL_MAPS else mean_and_spread(base, maps, given_mean)


def mean_and_others(base: NDArray[np.float16], others: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    """The mean over K models, and the maps of all but the first.

    Args:
        base: logits (...,S,S) of the first model.
        others: logits of the other models, each (...,S,S).

    Returns:
        float16 (...,K,S,S).
    """
    mean = np.mean([one.astype(np.float32) for one in (base, *others)], axis=0)
    return np.stack([_stored(mean), *others], axis=-3)


def mean_and_spread(
    base: NDArray[np.float16], passes: Sequence[NDArray[np.float16]], given_mean: bool
) -> NDArray[np.float16]:
    """Mean and standard deviation of the logits over the passes of TTA, as `maps.MapMaker` stores them.

    Args:
        base: logits (...,S,S) of the unchanged image.
        passes: logits of the further passes, each (...,S,S); or their mean, which may include the unchanged image.
        given_mean: whether `passes` is the mean alone. The spread is then unknown; its place takes the distance between
            the mean and `base`, which is large where passes disagree.

    Returns:
        float16 (...,2,S,S).
    """
    unchanged = base.astype(np.float32)
    if given_mean:
        mean = passes[0].astype(np.float32)
        spread = np.abs(mean - unchanged)
    else:
        every = np.stack([unchanged, *(one.astype(np.float32) for one in passes)])
        mean, spread = every.mean(0), every.std(0)
    return np.stack([_stored(mean), _stored(spread)], axis=-3)


def _stored(values: NDArray[np.float32]) -> NDArray[np.float16]:
    return stored_logits(torch.from_numpy(values))
