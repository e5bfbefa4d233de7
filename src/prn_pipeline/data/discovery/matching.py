"""The settings `pairing` and `masks_per_image` under which every image finds its mask."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from prn_pipeline.data.file_settings import RegexPairing, StemPairing
from prn_pipeline.data.readers.file_kinds import stem_of
from prn_pipeline.data.readers.pairing import pair_files
from prn_pipeline.data.readers.pairing_proposal import propose
from prn_pipeline.data.readers.sample_ids import plain_id
from prn_pipeline.errors import UserError, counted

Paths = Sequence[PurePosixPath]
_NAME = r"(.+)\.[^.]+$"
#: Files in one message.
MAX_LISTED = 3
#: The first number of a name.
_NUMBER = r"^\D*(\d+)"
#: How the expressions of `propose` begin, and how they begin if the folder is a part of the id.
_ANY, _WITH_FOLDER = "^(.+", "^(.+/[^/]+"


class Part(NamedTuple):
    """A data set, or one of its split folders.

    Attributes:
        folder: that the paths are relative to.
        images: at least one.
        masks: at least one.
    """

    folder: Path
    images: Paths
    masks: Paths


class Match(NamedTuple):
    """How images and masks belong together.

    Attributes:
        rule: None for equal names, which is the default.
        several: an image may have several masks.
        unlabelled: images without a mask.
    """

    rule: RegexPairing | None
    several: bool
    unlabelled: int = 0


def match_files(parts: Sequence[Part]) -> Match:
    """The first rule, from the plainest on, that gives every image a mask and every mask an image.

    Without one, the first that gives every mask an image, and most images a mask.

    Raises:
        UserError: there is none; the message names the files that the nearest rule leaves alone. Or names are not what
            they were meant to be: few images have two masks of one name, or names differ in upper and lower case only.
    """
    for part in parts:
        _refuse_second_masks(part)
        _refuse_other_case(part)
    rules = list(
        _rules([path for part in parts for path in part.images], [path for part in parts for path in part.masks])
    )
    for several in (False, True):
        for rule in rules:
            if all(_alone(rule, part, several) == 0 for part in parts):
                return Match(rule, several)
    for several in (False, True):
        for rule in rules:
            left = [_unlabelled(rule, part, several) for part in parts]
            if None not in left:
                return Match(rule, several, sum(filter(None, left)))
    nearest = min(rules, key=lambda rule: sum(_alone(rule, part, True) for part in parts))
    raise _refusal(max(parts, key=lambda part: _alone(nearest, part, True)), nearest)


def _rules(images: Paths, masks: Paths) -> Iterator[RegexPairing | None]:
    yield None
    names = [sorted({path.name for path in paths}) for paths in (images, masks)]  # splits may number from 1 each
    proposal = propose(*names)
    if proposal:
        yield _rule(proposal.image, proposal.mask)
    yield _rule(_NUMBER, _NUMBER)  # 21_training.tif and 21_manual1.gif, 01_test.tif and 01_manual1.gif
    places = [_shared_place(paths) for paths in (images, masks)]
    before = [f"^{re.escape(place)}/" for place in places]
    if all(places):  # images/a/7.jpg and masks/a/7.png: the folder belongs to the id
        yield _rule(before[0] + _NAME, before[1] + _NAME)
        yield _rule(before[0] + _NAME, before[1] + r"(.+)/[^/]+$")  # masks/7/1.png and masks/7/2.png
    yield _rule(*[_WITH_FOLDER + r")\.[^.]+$"] * 2)  # a/7.jpg and a/7.png
    if proposal and all(expression.startswith(_ANY) for expression in proposal[:2]):
        if all(places):
            yield _rule(before[0] + proposal.image[1:], before[1] + proposal.mask[1:])
        yield _rule(*(expression.replace(_ANY, _WITH_FOLDER, 1) for expression in proposal[:2]))
    ends = [_shared_last(paths) for paths in (images, masks)]
    if all(ends):  # 7/images/photo.png and 7/masks/object.png: the folder is the id
        yield _rule(*(rf"^(.+)/{re.escape(end)}/" for end in ends))


def _rule(image: str, mask: str) -> RegexPairing:
    return RegexPairing(by="regex", image=image, mask=mask)


def _alone(rule: RegexPairing | None, part: Part, several: bool) -> int:
    """Files that a rule leaves without a partner, or gives the id of another one."""
    image, mask = _expressions(rule)
    keys = [_keys(image, part.images), _keys(mask, part.masks)]
    shared = (set(keys[0]) & set(keys[1])) - {""}
    repeated = sum(len(found) - len(set(found)) for found in (keys if not several else keys[:1]))
    return repeated + sum(key not in shared for found in keys for key in found)


def _unlabelled(rule: RegexPairing | None, part: Part, several: bool) -> int | None:
    """Images without a mask; None if a mask has no image, or most images have none, or an id stands for two."""
    images, masks = (_keys(one, paths) for one, paths in zip(_expressions(rule), part[1:], strict=True))
    if any(len(found) > len(set(found)) for found in ([images] if several else [images, masks])):
        return None
    left = len(set(images) - set(masks))
    return left if set(masks) <= set(images) - {""} and "" not in images and 2 * left <= len(images) else None


def _expressions(rule: RegexPairing | None) -> tuple[str | None, str | None]:
    return (rule.image, rule.mask) if rule else (None, None)


def _keys(expression: str | None, paths: Paths) -> list[str]:
    if expression is None:
        return [plain_id(stem_of(path)) for path in paths]
    texts = (str(path) if "/" in expression else path.name for path in paths)
    return [plain_id(match[1]) if (match := re.search(expression, text)) else "" for text in texts]


def _refuse_second_masks(part: Part) -> None:
    """Refuse two mask files of one name, unless most images have them: one of the two is likely a leftover."""
    by_name: dict[PurePosixPath, list[str]] = defaultdict(list)
    for path in part.masks:
        by_name[path.with_suffix("")].append(path.as_posix())
    twice = [" and ".join(sorted(paths)) for paths in by_name.values() if len(paths) > 1]
    if 0 < len(twice) < len(part.images) / 2:
        listed = "; ".join(twice[:MAX_LISTED]) + ("; ..." if len(twice) > MAX_LISTED else "")
        raise UserError(
            f"{part.folder}: two mask files have one name: {listed}. Keep one of each. If they show parts of one image,"
            " give them different names, such as 7_1.png and 7_2.png"
        )


def _refuse_other_case(part: Part) -> None:
    """Refuse names that are equal but for upper and lower case: any other rule would give samples other ids."""
    images, masks = ({plain_id(stem_of(path)) for path in paths} for paths in part[1:])
    folded = [{name.casefold() for name in names} for names in (images, masks)]
    if images != masks and folded[0] == folded[1] and len(folded[0]) == len(images) == len(masks):
        raise UserError(
            f"{part.folder}: names of images and masks differ in upper and lower case:"
            f" {', '.join(sorted(images ^ masks)[:MAX_LISTED])}. Rename the files, so that they are equal"
        )


def _refusal(part: Part, rule: RegexPairing | None) -> UserError:
    images, masks = ([part.folder / path for path in paths] for paths in part[1:])
    try:
        pair_files(images, {"mask": masks}, rule or StemPairing(), part.folder, several=True)
    except UserError as error:
        return error
    return UserError(
        f"{part.folder}: {counted(len(images), 'image')} and {counted(len(masks), 'mask')}, but no rule gives each"
        " image its masks. Give each mask its image's name."
    )


def _shared_place(paths: Paths) -> str:
    """The folders that all paths begin with; "" for none."""
    first, *others = [path.parent.parts for path in paths]
    length = min(map(len, [first, *others]))
    same = next((place for place in range(length) if any(one[place] != first[place] for one in others)), length)
    return "/".join(first[:same])


def _shared_last(paths: Paths) -> str:
    """The name of the folders that all files lie in, where these are two levels deep or more; otherwise ""."""
    found = {path.parent.name for path in paths}
    return found.pop() if len(found) == 1 and all(len(path.parent.parts) > 1 for path in paths) else ""
