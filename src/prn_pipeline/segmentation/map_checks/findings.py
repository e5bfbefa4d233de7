"""What files and networks have in common when their maps are compared with the true masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.segmentation.map_checks.fit import Truth, fits
from prn_pipeline.segmentation.map_checks.own_images import own_fit
from prn_pipeline.segmentation.map_checks.readings import Reading, inverted, moved, other_classes
from prn_pipeline.segmentation.map_checks.stored_values import NEAR
from prn_pipeline.segmentation.map_checks.verdict import Finding, contradiction

#: Some of the maps are inverted if 1 - p has this much more IoU for at least this share of the images.
MUCH, SOME = 0.4, 0.25
#: Logits up to this one may be logarithms of probabilities above 0.5.
LOGARITHM_OF_HALF = -0.6931


def compared_with_others(
    what: str, stated: Reading, maps: NDArray[np.float32], truths: Sequence[Truth], others: Sequence[Reading]
) -> Iterator[Finding]:
    """Findings about maps (n, C, s, s) against other readings of them.

    Args:
        what: the maps, for the message.
        stated: fit of the maps as the settings read them.
        maps: logits, as the settings read them.
        truths: one per class.
        others: readings that settings, or mistakes that are known, would explain.
    """
    if found := contradiction(what, stated, _plausible(others, stated, truths)):
        yield found
        return
    if len(truths) > 1:
        return
    for reading, is_far in moved(maps, truths):
        if found := contradiction(what, stated, _plausible([reading], stated, truths)):
            yield found if is_far else found._replace(verdict="notable")
            return
    threshold = fits(maps[:, 0], truths[0])[0].threshold
    background = inverted(maps, truths[0], None)
    turned = int(np.sum(background.by_image - stated.by_image > MUCH))
    if SOME * len(maps) <= turned < len(maps):
        yield Finding(
            "notable",
            f"{what}: {turned} of them fit the true masks far better as 1 - p, the probability of background, but the"
            " others do not. Write all of them alike",
        )
    fit = own_fit(maps[:, 0], truths[0], threshold)
    if not fit.related:
        yield Finding(
            "notable",
            f"{what} fit the masks of other images as well as those of their own: mean IoU {fit.own:.3f} with their"
            f" own, {fit.others:.3f} with others. Check that each map belongs to the image of its name",
        )


def _plausible(others: Sequence[Reading], stated: Reading, truths: Sequence[Truth]) -> list[Reading]:
    return [reading for reading in others if reading.iou > stated.iou and _explains(reading, truths)]


def _explains(reading: Reading, truths: Sequence[Truth]) -> bool:
    """Whether a reading shows something of each image, and not only where objects usually are."""
    if reading.maps is None or len(truths) > 1:
        return True
    logits = reading.maps[:, 0]
    return own_fit(logits, truths[0], fits(logits, truths[0])[0].threshold).related


def of_channels(
    maps: NDArray[np.float32], truths: Sequence[Truth], settings: object, has_setting: bool
) -> list[Reading]:
    """The map as that of the background, or the maps of classes in another order."""
    if len(truths) > 1:
        if getattr(settings, "class_channels", None) is not None:
            return []
        reading = other_classes(maps, truths)
        return [reading if has_setting else reading._replace(setting=None)]
    channel = 1 if getattr(settings, "foreground", None) == 0 else 0
    return [inverted(maps, truths[0], f"`foreground: {channel}`" if has_setting else None)]


def hint_of_logarithms(high: float, verb: str) -> tuple[str, bool]:
    """The hint for logits of which none is above 0, "" if they are too low; and whether it is (nearly) certain.

    Args:
        high: highest logit.
        verb: what is to be done with probabilities: "write" or "return".
    """
    if not LOGARITHM_OF_HALF < high <= 0:
        return "", False
    return (
        f"If they are logarithms of probabilities, {verb} the probabilities instead, with `"
        f"{'values' if verb == 'write' else 'output'}: probabilities`",
        high > -NEAR,
    )
