"""Checks of probability maps and masks: one pass over valid input, and a detailed error for invalid input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

_ONE_AS_FLOAT16_BITS = 0x3C00


def check_probabilities(probabilities: NDArray[np.floating]) -> None:
    """Accept float16 or float32 (N, H, W) in [0, 1].

    Raises:
        UserError: another dtype or rank, or values that are NaN or outside [0, 1] (with their number and the position
            of the first one).
    """
    check_probability_type(probabilities)
    if probabilities.size == 0 or _surely_inside(probabilities):
        return
    outside = ~((probabilities >= 0) & (probabilities <= 1))
    if count := int(outside.sum()):
        image, row, column = (int(i) for i in np.unravel_index(int(outside.argmax()), outside.shape))
        raise UserError(
            f"{count} of {outside.size} probabilities are NaN or outside [0, 1]; the first is "
            f"{float(probabilities[image, row, column])} at image {image}, row {row}, column {column}: pass "
            "probabilities, not logits (apply a sigmoid first), and check the base model's output for NaN"
        )


def check_probability_type(probabilities: NDArray[np.floating]) -> None:
    """The part of `check_probabilities` that reads no values: dtype and rank."""
    if probabilities.dtype not in (np.float16, np.float32) or probabilities.ndim != 3:
        raise UserError(
            f"probabilities are {probabilities.dtype} {probabilities.shape}; expected float16 or float32 (N, H, W): "
            "convert with .astype(np.float32) and drop the channel axis"
        )


def check_masks(masks: NDArray[np.integer | np.bool_], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Accept uint8 or bool masks of `shape` with values 0, 1 and 255 (ignore); returns them as uint8 without a copy.

    Raises:
        UserError: another dtype, shape or value.
    """
    values = check_mask_type(masks, shape)
    if values.size and values.max() > 1:
        invalid = (values > 1) & (values != IGNORE)
        if invalid.any():
            found = np.unique(values[invalid])[:5].tolist()
            raise UserError(
                f"{int(invalid.sum())} mask pixels have values other than 0, 1 and {IGNORE} (such as {found}): divide "
                f"a 0 / 255 mask by 255 and mark unlabelled pixels with {IGNORE}"
            )
    return values


def check_mask_type(masks: NDArray[np.integer | np.bool_], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The part of `check_masks` that reads no values: dtype and shape."""
    if masks.dtype not in (np.uint8, np.bool_) or masks.shape != shape:
        raise UserError(f"masks are {masks.dtype} {masks.shape}; expected uint8 {shape}, one mask per probability map")
    return masks.view(np.uint8)


def as_array(values: np.ndarray | Tensor) -> np.ndarray:
    """The same values as a NumPy array on the CPU; copied only from another device."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def match_labels(labels: Tensor, logits: Tensor, name: str) -> Tensor:
    """Labels (N, H, W) or (N, 1, H, W) in the shape of the logits (N, 1, H, W), any dtype.

    Raises:
        UserError: labels and logits do not cover the same pixels.
    """
    matched = labels.unsqueeze(1) if labels.ndim == 3 else labels
    if matched.shape != logits.shape:
        raise UserError(
            f"{name} have shape {tuple(labels.shape)}, logits {tuple(logits.shape)}; expected one label per logit: "
            f"resize or crop the {name} in the same way as the maps"
        )
    return matched


def _surely_inside(probabilities: NDArray[np.floating]) -> bool:
    """True only if all values are in [0, 1]; may be False for a map with a negative zero."""
    if probabilities.dtype == np.float16:
        return bool(probabilities.view(np.uint16).max() <= _ONE_AS_FLOAT16_BITS)
    return bool(probabilities.min() >= 0 and probabilities.max() <= 1)
