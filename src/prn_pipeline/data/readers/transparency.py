"""Masks with transparency: the mask is in the colours, or in the alpha channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.errors import UserError


def alpha_is_mask(colours: NDArray[np.generic], alpha: NDArray[np.generic], rule: MaskSettings) -> bool:
    """Whether the alpha channel holds the mask, because it alone varies where something is visible.

    Colours of invisible pixels mean nothing, unless they are black: that is a transparent background. Where all pixels
    are visible, their colours count.

    Args:
        colours: (H, W) or (H, W, 3).
        alpha: (H, W); 0 is invisible.
        rule: of the data set; its `alpha` decides if it is set.

    Raises:
        UserError: both vary, and invisible pixels are not black.
    """
    if rule.alpha is not None:
        return rule.alpha == "mask"
    high = alpha.max()
    if alpha.min() == high:
        return False
    invisible = alpha == 0
    visible, hidden = colours[~invisible], colours[invisible]
    if (visible == visible[0]).all() and not _black_on_hidden_white(visible, hidden):
        return True
    if not hidden.any() and (not invisible.any() or (alpha[~invisible] == high).all()):
        return False
    raise UserError(
        "a mask whose colours and alpha channel (transparency) both vary, and differently. Say which holds the mask:"
        " `mask: {alpha: ignore}` for the colours, `mask: {alpha: mask}` for the alpha channel."
    )


def _black_on_hidden_white(visible: NDArray[np.generic], hidden: NDArray[np.generic]) -> bool:
    """Whether visible pixels are black and the others of one colour: as colours, these are the foreground."""
    return bool(len(hidden)) and not visible.any() and bool((hidden == hidden[0]).all() and hidden[0].any())
