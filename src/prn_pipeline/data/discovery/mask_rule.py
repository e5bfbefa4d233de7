"""A sample of mask files -> the keys `mask`, `task` and `classes`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.discovery.label_map import LabelMap
from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.readers.masks import HIGHEST_ID, MOST_CLASSES, NEAR_WHITE, SOFT, WHITES, likely_void
from prn_pipeline.errors import UserError

_T = TypeVar("_T")
#: Mask files that are read.
SAMPLE = 100
#: Values in one sentence.
MAX_LISTED = 8


class MaskRule(NamedTuple):
    """What the values of masks mean.

    Attributes:
        block: the keys task, classes and mask, as far as they differ from the defaults.
        notes: what is uncertain, one sentence each, with the key to set.
    """

    block: dict[str, Any]
    notes: tuple[str, ...] = ()


class _Seen(NamedTuple):
    values: tuple[float, ...]
    soft: bool


def rule_of_masks(files: Sequence[Path], several: bool, label_map: LabelMap | None = None) -> MaskRule:
    """The plainest rule that fits the masks.

    Args:
        files: all mask files; at most `SAMPLE` of them are read, evenly spread.
        several: an image may have several masks, which are then masks of foreground.
        label_map: colours of classes, if the folder has a table of them.

    Raises:
        UserError: a mask cannot be read under any settings.
    """
    chosen = evenly(files, SAMPLE)
    if label_map is not None and not several and label_map.reads(chosen):
        return MaskRule(label_map.block(), (label_map.note(),))
    try:
        reading, note = _reading(chosen)
    except UserError as error:
        if label_map is not None and (refusal := label_map.refusal(chosen)):
            raise UserError(refusal) from error
        raise
    settings = MaskSettings(**reading)
    united = {"masks_per_image": "union"} if several else {}
    union = "Images have several masks each: all are united (`mask.masks_per_image`)." if several else ""
    if settings.threshold is not None:
        return MaskRule({"mask": reading | united}, tuple(filter(None, (note, union))))
    rule = _rule([_look(path, settings) for path in chosen], len(files))
    mask = {**reading, **rule.block.get("mask", {}), **united}
    block = {**rule.block, "mask": mask} if mask else rule.block
    return MaskRule(block, tuple(filter(None, (note, union, *rule.notes))))


def evenly(items: Sequence[_T], most: int) -> list[_T]:
    """At most so many items, evenly spread from the first to the last."""
    places = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[place] for place in places]


def _reading(files: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """Keys without which the files cannot be read, and what to say of them."""
    try:
        for path in files:
            read_mask(path)
    except UserError as error:
        for keys, note in (
            ({"pages": "unite"}, "Masks have several pages: all are united (`mask.pages`)."),
            ({"threshold": 0.5}, "Masks hold fractions: those above 0.5 are foreground (`mask.threshold`)."),
        ):
            if _can_read(files, MaskSettings(**keys)):
                return keys, note
        raise UserError(f"{error} No settings were found that read this mask.") from error
    return {}, ""


def _can_read(files: Iterable[Path], settings: MaskSettings) -> bool:
    try:
        return all(_holds(read_mask(path, settings).values, settings) for path in files)
    except UserError:
        return False


def _holds(values: NDArray[np.integer | np.floating], settings: MaskSettings) -> bool:
    """Whether a threshold lies among the values; without one, every value is as good."""
    return settings.threshold is None or bool(values.min() >= 0 and values.max() <= 1)


def _look(path: Path, settings: MaskSettings) -> _Seen:
    stored = read_mask(path, settings)
    return _Seen(stored.facts.values, _is_soft(stored.values, stored.facts.values))


def _is_soft(values: NDArray[np.integer | np.floating], found: tuple[float, ...]) -> bool:
    """Grey edges, or the noise of JPEG, between black and white: most bright pixels are nearly white."""
    high = found[-1]
    if len(found) <= MOST_CLASSES or likely_void(found) or not any(low <= high <= white for low, white in WHITES):
        return False
    bright = values[values > high / 2]
    return bool(np.mean(bright >= NEAR_WHITE * high) >= SOFT)


def _rule(seen: Sequence[_Seen], total: int) -> MaskRule:
    values = sorted({int(value) for one in seen for value in one.values})
    of = f"in {len(seen)} of {total} masks" if len(seen) < total else f"in {total} masks"
    high = values[-1]
    if any(one.soft for one in seen):
        return MaskRule({"mask": {"threshold": high // 2}})
    voids = likely_void(values)
    ids = [value for value in values if value not in voids]
    ignored = {"ignore_values": voids} if voids else {}
    if voids and not _together(seen, ids, voids):
        return _undecided(values, of)  # 0 and 1 here, 0 and 255 there
    others = [value for value in ids if value != 0]
    if len(others) <= 1 and 0 in ids:
        note = f"Masks hold {_listed(voids)} beside {_listed(ids)}: ignored pixels (`mask.ignore_values`)."
        return MaskRule({"mask": ignored} if ignored else {}, (note,) if ignored else ())
    if _are_counts(seen) and high > HIGHEST_ID:
        note = f"Masks number objects from 1 on, to {high} {of}: each is foreground (`mask.threshold`)."
        return MaskRule({"mask": {"threshold": 0}}, (note,))
    if ids[0] >= 0 and ids[-1] <= HIGHEST_ID:
        return _classes(ids, ignored, of)
    return _undecided(values, of)


def _classes(ids: Sequence[int], ignored: dict[str, Any], of: str) -> MaskRule:
    names = [f"class_{number}" for number in range(ids[-1] + 1)]
    block: dict[str, Any] = {"task": "multiclass", "classes": names} | ({"mask": ignored} if ignored else {})
    missing = [number for number in range(len(names)) if number not in ids]
    notes = [
        f"Masks hold the class ids {_listed(ids)} ({of}): rename the `classes`; if they number objects instead, remove"
        " `task` and `classes` and set `mask: {threshold: 0}`."
    ]
    if missing:
        notes.append(
            f"No mask holds {_listed(missing)} ({of}); `classes` has names for them, because ids count from 0."
        )
    return MaskRule(block, tuple(notes))


def _undecided(values: Sequence[int], of: str) -> MaskRule:
    text = (
        f"Masks hold {_listed(values)} {of}, which leaves open what is foreground: set `mask: {{values: [...]}}`, or"
        " `mask: {threshold: 0}` if everything but 0 is."
    )
    return MaskRule({}, (text,))


def _together(seen: Sequence[_Seen], ids: Sequence[int], voids: Sequence[int]) -> bool:
    """Whether some mask holds an id other than 0 and a value without a label: otherwise both may be foreground."""
    named = {value for value in ids if value != 0}
    return any(named & set(one.values) and set(voids) & set(one.values) for one in seen)


def _are_counts(seen: Sequence[_Seen]) -> bool:
    """Whether masks number their objects: 0, 1, 2, ... without gaps in nearly all, and not to the same number."""
    whole = [one for one in seen if one.values == tuple(range(len(one.values)))]
    return len(whole) >= 0.9 * len(seen) and len({one.values[-1] for one in seen}) > 1


def _listed(values: Sequence[int]) -> str:
    if len(values) > MAX_LISTED:
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values))
