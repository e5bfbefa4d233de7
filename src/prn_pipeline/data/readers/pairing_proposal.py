"""Proposes expressions for `pairing` where names of images and masks differ in a regular way."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

#: Share of the images, and of the masks, that a proposal must pair.
COVERED = 0.8
#: Endings of masks, such as `_mask` and `_mask_1`, that one expression lists.
MAX_ENDINGS = 4
#: Fewest files of a kind from which something regular is told.
LEAST = 2
_EXTENSION = r"\.[^.]+$"


class Proposal(NamedTuple):
    """Settings that pair files.

    Attributes:
        image: expression for image files.
        mask: expression for mask files.
        several: an image has several masks.
    """

    image: str
    mask: str
    several: bool

    def text(self) -> str:
        """The keys to set, for messages."""
        image, mask = (expression.replace("'", "''") for expression in self[:2])
        pairing = f"`pairing: {{by: regex, image: '{image}', mask: '{mask}'}}`"
        return pairing + (" and `mask: {masks_per_image: union}`" if self.several else "")


def propose(images: Sequence[str], masks: Sequence[str]) -> Proposal | None:
    """Expressions that pair most of these file names, or None.

    Args:
        images: names of image files, with extension.
        masks: names of mask files.
    """
    if min(len(images), len(masks)) < LEAST:
        return None
    stems = [[_stem(name) for name in names] for names in (images, masks)]
    for image, mask in filter(None, (_by_affixes(*stems), _by_endings(*stems))):
        keys = [_keys(expression, names) for expression, names in ((image, images), (mask, masks))]
        shared = set(keys[0]) & set(keys[1])
        one_each = len(set(keys[0])) == len(keys[0])
        if one_each and all(sum(key in shared for key in found) >= COVERED * len(found) for found in keys):
            return Proposal(image, mask, len(set(keys[1])) < len(keys[1]))
    return None


def _by_affixes(images: list[str], masks: list[str]) -> tuple[str, str]:
    """Expressions for stems that begin and end alike: image_7, label_7, or 7, 7_mask."""
    before, mask_before = (_common_start(stems).rstrip("0123456789") for stems in (images, masks))
    after, mask_after = (
        _common_start([stem[::-1] for stem in stems])[::-1].lstrip("0123456789") for stems in (images, masks)
    )
    before, mask_before = _without_shared(before[::-1], mask_before[::-1])
    before, mask_before = before[::-1], mask_before[::-1]
    after, mask_after = _without_shared(after, mask_after)
    return tuple(
        f"^{re.escape(one)}(.+){re.escape(other)}{_EXTENSION}"
        for one, other in ((before, after), (mask_before, mask_after))
    )  # type: ignore[return-value]


def _without_shared(one: str, other: str) -> tuple[str, str]:
    """Two affixes, read away from the id, without the letters that both have next to it: these belong to the id."""
    if one == other:
        return "", ""
    shared = len(_common_start([one, other]))
    letters = next((place for place in range(shared) if not one[place].isalnum()), shared)
    return one[letters:], other[letters:]


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    differ = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differ, len(first))]


def _by_endings(images: list[str], masks: list[str]) -> tuple[str, str] | None:
    """Expressions for masks whose stem is that of an image and one of few endings: 7, 7_mask, 7_mask_1."""
    known, endings = set(images), set()
    for stem in masks:
        ends = [stem[place:] for place in range(len(stem), 0, -1) if stem[:place] in known]
        ends = [end for end in ends if not end[:1].isalnum()]
        if not ends:
            return None
        endings.add(re.sub(r"\d+", r"\\d+", re.escape(ends[0])))
    if len(endings) > MAX_ENDINGS:
        return None
    return f"^(.+){_EXTENSION}", f"^(.+?)(?:{'|'.join(sorted(endings, key=len))}){_EXTENSION}"


def _keys(expression: str, names: Sequence[str]) -> list[str]:
    found = (re.search(expression, unicodedata.normalize("NFC", name)) for name in names)
    return [match[1] if match else "" for match in found]


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", name).rpartition(".")[0]
