"""Masks without small connected components and small holes, and the sizes that are best for a whole set of maps."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from prn_pipeline.errors import UserError

#: Sizes to choose from, as shares of the image's area: nothing is removed; then a pixel of 256 x 256, twice that, ...
SIZES = np.array([0.0, *(2.0**power for power in range(-16, -2))])
#: Foreground is connected across corners too, background is not: otherwise a diagonal line would not part it.
FOREGROUND = np.ones((3, 3), bool)
#: Ignored pixels in counts, beside 0 and 1.
IGNORED = 2


def without_small_components(masks: np.ndarray, component: float, hole: float) -> np.ndarray:
    """Masks without the components of fewer pixels than a share of the image; then, likewise, without holes.

    Args:
        masks: bool (N,H,W).
        component: connected foreground (8 neighbours) of a smaller share of the image's area becomes background.
        hole: connected background (4 neighbours) of a smaller share, in the result of that, becomes foreground.

    Returns:
        bool (N,H,W).
    """
    if component:
        masks = np.stack([mask & ~_small(mask, component, FOREGROUND) for mask in masks])
    if hole:
        masks = np.stack([mask | _small(~mask, hole) for mask in masks])
    return masks


def _small(mask: np.ndarray, share: float, neighbours: np.ndarray | None = None) -> np.ndarray:
    """The pixels of components below a share of the image; neighbours: 4 by default."""
    labels, _ = ndimage.label(mask, neighbours)
    small = np.bincount(labels.ravel()) < share * mask.size
    small[0] = False
    return small[labels]


class ComponentTuner:
    """Finds the two sizes of `without_small_components` with the best `iou_micro` over a whole set of maps.

    Candidates are all pairs of `SIZES`, and the counts are exact, as if the masks of every pair had been made. Call
    `update` for every batch, then `best`; the tuner keeps no maps.
    """

    def __init__(self) -> None:
        # Pixels of background, foreground, and ignored: predicted ones by the two sizes, and all.
        self._predicted = np.zeros((3, len(SIZES), len(SIZES)), np.int64)
        self._truth = np.zeros(3, np.int64)

    def update(self, predicted: np.ndarray, masks: np.ndarray) -> None:
        """Count a batch.

        Args:
            predicted: bool (N,H,W).
            masks: uint8 (N,H,W): 0, 1, or 255 for pixels to ignore. Ignored pixels belong to components.
        """
        for mask, truth in zip(predicted, masks, strict=True):
            self._count(mask, truth)

    def _count(self, mask: np.ndarray, truth: np.ndarray) -> None:
        # Imported here because loading numba takes a second and most users of this package never need it.
        from prn_pipeline.refinement.baselines.component_kernel import count_sizes

        labels, _ = ndimage.label(mask, FOREGROUND)
        least = SIZES * mask.size
        survived = np.searchsorted(least, np.bincount(labels.ravel()), side="right").astype(np.uint8)
        survived[0] = 0  # background
        values = np.pad(np.minimum(truth, IGNORED), 1, constant_values=IGNORED)
        pixels = np.bincount(values.ravel(), minlength=IGNORED + 1)
        framed = np.pad(survived[labels], 1, constant_values=len(SIZES))
        count_sizes(framed, values, pixels, least, self._predicted)
        self._truth += pixels

    def add(self, other: ComponentTuner) -> None:
        """Add the counts of another tuner."""
        self._predicted += other._predicted
        self._truth += other._truth

    def best(self) -> tuple[float, float]:
        """The best sizes of components and holes; ties go to the smallest component size, then to the smallest hole.

        Raises:
            UserError: no pixel was counted.
        """
        if not self._truth[:IGNORED].any():
            raise UserError("no pixel was counted, so no size can be selected: update the tuner with val maps first")
        iou = self._predicted[1] / np.maximum(self._truth[1] + self._predicted[0], 1)
        component, hole = np.unravel_index(int(iou.argmax()), iou.shape)
        return float(SIZES[component]), float(SIZES[hole])
