"""What files and networks have in common when their maps are compared with the true masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.segmentation.map_checks.fit import Truth, best_of_each, fits
from prn_pipeline.segmentation.map_checks.own_images import own_fit
from prn_pipeline.segmentation.map_checks.readings import Reading, inverted, moved, other_classes
from prn_pipeline.segmentation.map_checks.stored_values import NEAR
from prn_pipeline.segmentation.map_checks.verdict import Finding, contradiction

#: A map means another thing than the others if another reading has this much more IoU, each at the threshold that is
#: best for this image. Among honest maps, of strong models and of some that hardly saw their objects, there was none.
MUCH = 0.2
#: Such maps from which a run stops, and their least share: of maps that fit their images, and of others. Fewer are a
#: warning.
SEVERAL, SOME, MANY = 2, 0.05, 0.25
#: Images from which a run stops if maps fit those of others as well: with eight, a poor but honest model did.
ENOUGH = 12
#: Images that are named.
MOST_NAMED = 5
#: Logits up to this one may be logarithms of probabilities above 0.5.
LOGARITHM_OF_HALF = -0.6931


def compared_with_others(
    what: str,
    stated: Reading,
    maps: NDArray[np.float32],
    truths: Sequence[Truth],
    others: Sequence[Reading],
    names: Sequence[str] = (),
) -> Iterator[Finding]:
    """Findings about maps (n, C, s, s) against other readings of them.

    Args:
        what: the maps, for the message.
        stated: fit of the maps as the settings read them.
        maps: logits, as the settings read them.
        truths: one per class.
        others: readings that settings, or mistakes that are known, would explain.
        names: of the images, for maps that may have been written in several ways; without, all are taken to be alike.
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
    settings = [one for one in others if one.setting is not None]  # maps of other images differ by chance
    settings.append(inverted(maps, truths[0], None))
    threshold = fits(maps[:, 0], truths[0])[0].threshold
    fit = own_fit(maps[:, 0], truths[0], threshold)
    least = SOME if fit.related else MANY  # maps of other images fit some masks better by chance, too
    if names and (found := _unlike_the_others(what, maps, truths[0], settings, names, least)):
        yield found
        return
    if not fit.related:
        yield Finding(
            # `judged` knows more of maps that predict nothing
            "far" if names and fit.useless and len(maps) >= ENOUGH and (maps > 0).any() else "notable",
            f"{what} fit the masks of other images as well as those of their own: mean IoU {fit.own:.3f} with their"
            f" own, {fit.others:.3f} with others. Check that each map belongs to the image of its name",
        )


def _unlike_the_others(
    what: str,
    maps: NDArray[np.float32],
    truth: Truth,
    others: Sequence[Reading],
    names: Sequence[str],
    least: float,
) -> Finding | None:
    """The finding that some of the maps, but not all, mean another thing; None if they are all alike."""
    own = best_of_each(maps[:, 0], truth)[0]
    unlike, words = np.zeros(len(maps), bool), ""
    for reading in others:
        if reading.maps is not None:
            better = best_of_each(reading.maps[:, 0], truth)[0] - own > MUCH
            if better.sum() > unlike.sum():
                unlike, words = better, reading.words
    count = int(unlike.sum())
    if not 0 < count < len(maps) or (least > SOME and count < least * len(maps)):
        return None
    stops = count >= SEVERAL and count >= least * len(maps)
    listed = [name for name, differs in zip(names, unlike, strict=True) if differs]
    shown = ", ".join(listed[:MOST_NAMED]) + (", ..." if count > MOST_NAMED else "")
    fit = "fits" if count == 1 else "fit"
    return Finding(
        "far" if stops else "notable",
        f"{what}: {count} of them ({shown}) {fit} the true masks far better if read {words}, but the others do"
        " not. Write all maps alike",
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
