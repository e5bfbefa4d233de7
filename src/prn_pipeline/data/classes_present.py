"""What the masks of a data set tell apart: foreground and background, and each of several classes in each split."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from prn_pipeline.data.mask_values import files_by_value
from prn_pipeline.data.readers.file_facts import MaskFacts
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)

#: Values or classes in one message.
MAX_LISTED = 8
#: All pixels of masks that are drawn of annotations -> the remedy.
_OF_ANNOTATIONS = {
    "background": "Draw outlines, or name categories that have some in `annotations.categories`, or in `classes`.",
    "foreground": "Leave the category of what surrounds the objects out: `annotations: {categories: [...]}`.",
}


def refuse_one_class(
    name: str, settings: DatasetSettings, foreground: Sequence[float], masks: Mapping[str, MaskFacts]
) -> None:
    """Check that the masks of data set `name` tell two things apart.

    Args:
        name: the data set's name, for messages.
        settings: of the data set.
        foreground: share of each mask in [0, 1], NaN where all pixels are ignored.
        masks: file name -> facts.

    Raises:
        UserError: all pixels of all masks are background, or all are foreground.
    """
    found = np.asarray(foreground)
    found = found[np.isfinite(found)]
    if (found > 0).any() and (settings.classes or (found < 1).any()):
        return
    what, other = ("foreground", "background") if (found > 0).any() else ("background", "foreground")
    if settings.annotations:
        raise UserError(
            f"data set '{name}': no {other} pixel in the masks of {len(foreground)} annotated images, all of {what}."
            f" {_OF_ANNOTATIONS[what]}"
        )
    values = list(files_by_value(masks))
    listed = ", ".join(map(str, values[:MAX_LISTED])) + (", ..." if len(values) > MAX_LISTED else "")
    raise UserError(
        f"data set '{name}': no {other} pixel in {len(foreground)} masks, all of {what}; their files hold {listed}."
        f" Check `datasets.{name}.mask.values` or `.threshold`, or `.classes`, against these values."
    )


def warn_of_absent_classes(
    name: str, settings: DatasetSettings, masks: Iterable[MaskFacts], splits: Iterable[str]
) -> None:
    """Log the classes of data set `name` that are in no mask of a split: none is learned, or none is measured, there.

    Args:
        name: the data set's name.
        settings: of the data set.
        masks: facts of each sample's masks.
        splits: train, val or test of each sample.
    """
    where: dict[int, set[str]] = {class_id: set() for class_id in range(len(settings.classes))}
    present = set()
    for facts, split in zip(masks, splits, strict=True):
        present.add(split)
        for value in facts.values:
            if value in where and value not in settings.mask.ignore_values:
                where[int(value)].add(split)
    absent = {
        class_id: [split for split in SPLITS if split in present - found]
        for class_id, found in where.items()
        if present - found
    }
    if absent:
        listed = [f"{settings.classes[class_id]} ({class_id}) in {_or(names)}" for class_id, names in absent.items()]
        logger.warning(
            "data set '%s': classes without a pixel: %s%s. A class that train lacks is not learned, and one that test"
            " lacks is not measured. Check the order of `classes`, or draw other splits",
            name,
            "; ".join(listed[:MAX_LISTED]),
            "; ..." if len(listed) > MAX_LISTED else "",
        )


def _or(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1] if len(names) > 1 else names[0]
