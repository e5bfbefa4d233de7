"""Values of a mask file -> 0 background, 1 foreground, or class ids; 255 counts nowhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.settings import MaskSettings
from prn_pipeline.errors import UserError


def binarize_mask(values: NDArray[np.integer], rule: MaskSettings) -> NDArray[np.uint8]:
    """Apply the data set's rule for foreground.

    Args:
        values: integers (H, W), as the mask file stores them.
        rule: `threshold`, `values`, or neither: 0 is background, and whatever one other value there is is foreground.

    Returns:
        uint8 (H, W) of 0, 1 and 255.

    Raises:
        UserError: no rule is given, and the mask holds more than two values, or two of which none is 0.
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


def class_ids(values: NDArray[np.integer], classes: int, rule: MaskSettings) -> NDArray[np.uint8]:
    """Class ids as they are stored.

    Args:
        values: integers (H, W), as the mask file stores them.
        classes: how many there are; ids are 0 .. classes - 1.
        rule: `ignore_values`.

    Returns:
        uint8 (H, W) of class ids and 255.

    Raises:
        UserError: other values.
    """
    ignored = np.isin(values, rule.ignore_values)
    strange = np.unique(values[~ignored & ((values < 0) | (values >= classes))])
    if strange.size:
        named = ", ".join(map(str, strange[:8])) + (", ..." if strange.size > 8 else "")
        raise UserError(
            f"a mask with the values {named} beside class ids 0 to {classes - 1}. Name more `classes`, or say that they"
            " count nowhere: `mask: {ignore_values: [...]}`."
        )
    return np.where(ignored, IGNORE, values).astype(np.uint8)


def ignore_outside(mask: NDArray[np.uint8], region: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Let nothing count where the region, integers (H, W), is 0; both must have the same size."""
    return np.where(region == 0, np.uint8(IGNORE), mask)


def foreground_share(mask: NDArray[np.uint8]) -> float:
    """Share of foreground (of any class but the first) among the pixels that count, 0..1; NaN when none counts."""
    valid = np.count_nonzero(mask != IGNORE)
    return np.count_nonzero((mask != 0) & (mask != IGNORE)) / valid if valid else float("nan")


def _other_than_zero(values: NDArray[np.integer], rule: MaskSettings) -> NDArray[np.bool_]:
    found = [int(value) for value in np.unique(values) if value not in rule.ignore_values]
    besides = f", ignore_values: {list(rule.ignore_values)}" if rule.ignore_values else ""
    if len(found) > 2:
        named = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
        raise UserError(
            f"a mask with {len(found)} different values ({named}), expected two. Say which are foreground: "
            f"`mask: {{threshold: 127{besides}}}` for a soft or JPEG mask, `mask: {{values: [...]{besides}}}` for class"
            " ids."
        )
    if len(found) == 2 and 0 not in found:
        # Files are read one by one: where 1 is background here, a mask of nothing but 1 would be all foreground there.
        raise UserError(
            f"a mask of the values {found[0]} and {found[1]}, none of them 0, which is background elsewhere. Say which"
            f" are foreground: `mask: {{values: [{found[1]}]{besides}}}` if it is the higher."
        )
    return values != 0  # ignored ones are marked by the caller
