"""Whether another reading of maps fits the truth so much better that the stated one is a mistake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from prn_pipeline.segmentation.map_checks.readings import Reading

#: Gains of IoU over the stated reading: at FAR a run stops, at NOTABLE it warns. Honest maps, weak ones too, gain up to
#: 0.03 by another reading of 48 images; maps that are inverted, turned or padded gain 0.1 to 0.9.
FAR, NOTABLE = 0.1, 0.03
#: The stated reading also stops the run if another has this many times its IoU: cracks and vessels have low ones.
TIMES = 2.0
#: The other reading is better on at least this share of the images whose IoU it changes by more than EQUAL: padding
#: changes nothing where an image is square.
MAJORITY, EQUAL = 0.75, 0.01
#: With fewer images chance can do more: the gains count as this share of what they are.
FEW, DISCOUNT = 8, 0.4

Verdict = Literal["far", "notable"]


class Finding(NamedTuple):
    """What a comparison found.

    Attributes:
        verdict: "far" stops a run, "notable" is a warning, None is information.
        text: what was found and what to do about it, without a full stop.
        misread: whether maps that are not read as they were written look like this, so that a gain may be a mistake.
    """

    verdict: Verdict | None
    text: str
    misread: bool = True


def best_of(readings: Iterable[Reading]) -> Reading | None:
    """The reading with the highest IoU; None if there are none, or no class has foreground."""
    finite = [reading for reading in readings if np.isfinite(reading.iou)]
    return max(finite, key=lambda reading: reading.iou, default=None)


def compared(stated: Reading, other: Reading) -> Verdict | None:
    """How much better another reading is: "far", "notable", or None."""
    gains = other.by_image - stated.by_image
    changed = gains[np.abs(gains) > EQUAL]  # NaN is not
    if not len(changed) or np.mean(changed > 0) < MAJORITY:
        return None
    gain = (other.iou - stated.iou) * (1 if len(changed) >= FEW else DISCOUNT)
    if gain >= FAR or (gain >= NOTABLE and other.iou >= TIMES * stated.iou):
        return "far"
    return "notable" if gain >= NOTABLE else None


def contradiction(what: str, stated: Reading, others: Iterable[Reading]) -> Finding | None:
    """The finding that another reading fits the truth better; None if none does."""
    other = best_of(others)
    verdict = None if other is None else compared(stated, other)
    if other is None or verdict is None:
        return None
    remedy = f"Set {other.setting}" if other.setting else other.remedy
    return Finding(
        verdict,
        f"{what} fit the true masks {'far ' if verdict == 'far' else ''}better if read"
        f" {other.words}: IoU {other.iou:.3f} instead of {stated.iou:.3f} on {len(stated.by_image)} images, each at its"
        f" best single threshold. {remedy}",
    )
