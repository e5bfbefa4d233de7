"""Pseudo-labels: every patch of a probability map binarized at the best threshold for its own true mask.

Paper section 3.1, "optimal patch-wise binarization". On test maps with the true masks, the same function is the
*patch oracle*: the best result that one threshold per patch can reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

import numpy as np

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.pseudo_labels.candidates import (
    MAX_LEVELS,
    PAPER_LEVELS,
    PAPER_SMOOTH,
    candidate_thresholds,
)
from prn_pipeline.refinement.validation import check_mask_type, check_masks, check_probabilities, check_probability_type

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


class PatchPseudoLabels(NamedTuple, Generic[Array]):
    """Labels uint8 (N, H, W) in 0, 1 and 255; thresholds and smoothed IoU float32 (N, ceil(H/P), ceil(W/P))."""

    labels: Array
    thresholds: Array
    iou: Array


@overload
def patch_pseudo_labels(
    probabilities: np.ndarray, masks: np.ndarray, patch_size: int, levels: int | None = ..., smooth: float = ...
) -> PatchPseudoLabels[np.ndarray]: ...
@overload
def patch_pseudo_labels(
    probabilities: Tensor, masks: Tensor, patch_size: int, levels: int | None = ..., smooth: float = ...
) -> PatchPseudoLabels[Tensor]: ...
def patch_pseudo_labels(probabilities, masks, patch_size, levels=PAPER_LEVELS, smooth=PAPER_SMOOTH):  # type: ignore[no-untyped-def]
    """Binarize each patch at the threshold of highest smoothed IoU with its mask (paper section 3.1).

    A pixel is foreground where `probability > threshold`, strictly. The score of a threshold is
    `(intersection + smooth) / (union + smooth)`; ties go to the lowest threshold. Pixels whose mask is 255 are ignored
    and keep the label 255. If `patch_size` does not divide the height or width, the last row or column of patches is
    smaller.

    Args:
        probabilities: float16 or float32 (N, H, W) in [0, 1]; a NumPy array, or a tensor on any device.
        masks: uint8 or bool (N, H, W), of the same kind and on the same device: 0, 1, or 255 for "ignore".
        patch_size: pixels per side, P; a value of at least H and W means one patch per image.
        levels: candidates are k / levels for k = 1 .. levels (20 in the paper), so "everything is foreground" is not a
            candidate. None finds the exact optimum: candidates are 0 and every probability in the patch, which covers
            every possible binarization except that a probability of exactly 0 is never foreground.
        smooth: added to intersection and union; at least 0. With 0, an empty prediction of an empty mask scores 1.

    Returns:
        `PatchPseudoLabels` of arrays, or of tensors on the device of `probabilities`. All backends give the same bits.

    Raises:
        UserError: wrong dtype, shape or setting; probabilities NaN or outside [0, 1] (with count and first position).
    """
    _check_settings(patch_size, levels, smooth)
    if isinstance(probabilities, np.ndarray):
        return _on_cpu(probabilities, masks, patch_size, levels, smooth)
    if probabilities.device.type != "cpu":
        from prn_pipeline.refinement.pseudo_labels.torch_backend import patch_pseudo_labels_torch

        return PatchPseudoLabels(*patch_pseudo_labels_torch(probabilities, masks, patch_size, levels, smooth))
    import torch

    found = _on_cpu(probabilities.detach().numpy(), masks.numpy(), patch_size, levels, smooth)
    return PatchPseudoLabels(*(torch.from_numpy(array) for array in found))


def _on_cpu(
    probabilities: np.ndarray, masks: np.ndarray, patch_size: int, levels: int | None, smooth: float
) -> PatchPseudoLabels[np.ndarray]:
    # Imported here because loading numba takes a second and most users of this package never need it.
    from prn_pipeline.refinement.pseudo_labels.exact_kernel import exact
    from prn_pipeline.refinement.pseudo_labels.histogram_kernel import on_levels

    check_probability_type(probabilities)
    truth = check_mask_type(masks, probabilities.shape)
    if levels is None:
        found = exact(probabilities, truth, patch_size, smooth)
    else:
        found = on_levels(probabilities, truth, patch_size, candidate_thresholds(levels), smooth)
    if found is None:  # the kernel checks all values in its own pass; only the error message needs another one
        check_probabilities(probabilities)
        check_masks(masks, probabilities.shape)
        raise AssertionError("the kernel rejected values that are in range")
    return PatchPseudoLabels(*found)


def _check_settings(patch_size: int, levels: int | None, smooth: float) -> None:
    if patch_size < 1:
        raise UserError(f"patch_size={patch_size!r} must be at least 1 pixel; the paper uses 64")
    if levels is not None and not 1 <= levels <= MAX_LEVELS:
        raise UserError(f"levels={levels!r} must be in 1 .. {MAX_LEVELS}; None uses every distinct probability")
    if not (smooth >= 0 and np.isfinite(smooth)):
        raise UserError(f"smooth={smooth!r} must be a finite number of at least 0; the paper uses 1")
