"""Values of a mask file -> 0 background, 1 foreground, or class ids; 255 is ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.file_facts import distinct_values
from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError

#: Values in one error message.
MAX_LISTED = 8
#: Ranges of the white of soft and JPEG masks, and how near to it most of their bright pixels are. Ids of instances are
#: spread over their range instead.
WHITES, NEAR_WHITE, SOFT = ((250, 255), (65000, 65535)), 0.9, 0.7
#: A mask with at most so many values has classes rather than soft edges.
MOST_CLASSES = 3
#: Values that data sets give to pixels without a label, beside negative ones.
VOIDS = (254, 255, 65535)
#: Class ids are small. Soft and JPEG masks, where 254 and 255 are foreground, have values above this one too.
HIGHEST_ID = 63


def binarize_mask(values: NDArray[np.integer | np.floating], rule: MaskSettings) -> NDArray[np.uint8]:
    """Apply the data set's rule for foreground.

    Args:
        values: integers of any shape, as the mask file stores them; or floats, with a threshold.
        rule: `threshold`, `values`, or neither: then 0 is background and the one other value is foreground.

    Returns:
        uint8 of 0, 1 and 255, of the same shape.

    Raises:
        UserError: without a rule, the mask holds more than two values, or two values and no 0.
    """
    if rule.threshold is not None:
        foreground = values > rule.threshold
    elif rule.values is not None:
        foreground = np.isin(values, rule.values)
    else:
        foreground = _other_than_zero(values, rule)
    mask = foreground.astype(np.uint8)
    if rule.ignore_values:
        mask[np.isin(values, rule.ignore_values)] = IGNORE
    return mask


def class_ids(values: NDArray[np.integer | np.floating], classes: int, rule: MaskSettings) -> NDArray[np.uint8]:
    """Class ids as the file stores them, with ignored values as 255.

    Args:
        values: integers (H, W), as the mask file stores them.
        classes: their number; ids are 0 .. classes - 1.
        rule: `ignore_values`.

    Returns:
        uint8 (H, W) of class ids and 255.

    Raises:
        UserError: a value is neither a class id nor ignored.
    """
    ignored = np.isin(values, rule.ignore_values)
    strange = np.unique(values[~ignored & ((values < 0) | (values >= classes))])
    if strange.size:
        named = ", ".join(map(str, strange[:MAX_LISTED])) + (", ..." if strange.size > MAX_LISTED else "")
        together = "..." if strange.size > MAX_LISTED else sorted({*rule.ignore_values, *strange.tolist()})
        raise UserError(
            f"a mask with the {'value' if strange.size == 1 else 'values'} {named} beside class ids 0 to {classes - 1}."
            f" Add names for them to `classes`, or ignore them: `mask: {{ignore_values: {together}}}`."
        )
    return np.where(ignored, IGNORE, values).astype(np.uint8)


def likely_void(values: Iterable[float]) -> list[int]:
    """Those of the values that probably mark pixels without a label: negative ones, and 255 and its like beside ids.

    Args:
        values: all distinct values of a mask, or of a data set, that the settings do not ignore.
    """
    found = list(values)
    high = [value for value in found if value in VOIDS]
    high = high if len(high) == 1 else []  # 254 and 255 together are the bright end of a soft mask
    voids = [int(value) for value in found if value < 0 or value in high]
    ids = [value for value in found if value != 0 and value not in voids]
    return voids if ids and max(ids) <= HIGHEST_ID else []


def ignore_outside(mask: NDArray[np.uint8], region: NDArray[np.integer | np.floating]) -> NDArray[np.uint8]:
    """Ignore the pixels whose region, integers (H, W), is 0; mask and region have the same size."""
    return np.where(region == 0, np.uint8(IGNORE), mask)


def united(masks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Several masks of one image as one: foreground where any has some, otherwise ignored where any ignores.

    Args:
        masks: at least one, (H, W): 0 background, 255 ignored, and 1 or class ids.

    Raises:
        UserError: they differ in size, or two name different classes for one pixel.
    """
    whole = masks[0]
    for mask in masks[1:]:
        if mask.shape != whole.shape:
            sizes = " and ".join(f"{one.shape[0]} x {one.shape[1]}" for one in (whole, mask))
            raise UserError(
                f"the {len(masks)} masks of an image that `mask: {{masks_per_image: union}}` unites differ in size,"
                f" {sizes} pixels (height x width). Export them at the size of the image."
            )
        ours, theirs = (whole != 0) & (whole != IGNORE), (mask != 0) & (mask != IGNORE)
        clash = int(np.count_nonzero(ours & theirs & (whole != mask)))
        if clash:
            raise UserError(
                f"two of the {len(masks)} masks of an image name different classes for {clash} pixels. Correct the"
                " masks, or store one mask of class ids per image."
            )
        whole = np.where(ours, whole, np.where(theirs, mask, np.maximum(whole, mask)))
    return whole


def foreground_share(mask: NDArray[np.uint8]) -> float:
    """Share of foreground (any class but the first) in the pixels that are not ignored, in [0, 1]; NaN without any."""
    valid = np.count_nonzero(mask != IGNORE)
    return np.count_nonzero((mask != 0) & (mask != IGNORE)) / valid if valid else float("nan")


def _other_than_zero(values: NDArray[np.integer | np.floating], rule: MaskSettings) -> NDArray[np.bool_]:
    found = [int(value) for value in distinct_values(values) if value not in rule.ignore_values]
    ignored = f", ignore_values: {list(rule.ignore_values)}" if rule.ignore_values else ""
    if len(found) > 2:
        named = ", ".join(map(str, found[:MAX_LISTED])) + (", ..." if len(found) > MAX_LISTED else "")
        counted = values[~np.isin(values, (0, *rule.ignore_values))]
        raise UserError(
            f"a mask with {len(found)} different values ({named}), expected two. Say which are foreground:"
            f" {_advice(counted, found, ignored)}"
        )
    if len(found) == 2 and 0 not in found:
        # Each file is read alone: if 1 were background here, a mask with only 1 would still become all foreground.
        raise UserError(
            f"a mask with the values {found[0]} and {found[1]}, but without 0 for background. Say which"
            f" are foreground: `mask: {{values: [{found[1]}]{ignored}}}` if it is the higher one."
        )
    return values != 0  # the caller marks ignored values


def _listed(values: Sequence[int]) -> str:
    return " or ".join(map(str, values))


def _advice(counted: NDArray[np.integer | np.floating], found: list[int], ignored: str) -> str:
    """The rule that these values ask for; `counted` are the pixels that are neither 0 nor ignored."""
    high = found[-1]
    if len(found) > MOST_CLASSES and any(low <= high <= white for low, white in WHITES):
        bright = counted[counted > high / 2]
        if np.mean(bright >= NEAR_WHITE * high) >= SOFT:
            return (
                f"`mask: {{threshold: {high // 2}{ignored}}}` for a soft or JPEG mask, `mask: {{values:"
                f" [...]{ignored}}}` for class ids."
            )
    voids = likely_void(found) or ([IGNORE] if high == IGNORE else [])
    void = f" If {_listed(voids)} marks pixels without a label, add `ignore_values: {voids}`." if voids else ""
    return (
        f"`mask: {{threshold: 0{ignored}}}` if every value but 0 is, as with ids of instances, or `mask: {{values:"
        f" [...]{ignored}}}` for class ids.{void}"
    )
