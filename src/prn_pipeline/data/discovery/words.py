"""What the names of folders and files say: images, masks, a field of view; train, val or test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, TypeVar

Role = Literal["images", "masks", "region"]
_T = TypeVar("_T")

#: Names in lower case, without separators. Of several folders that may hold the masks, the first name here is taken:
#: what a person drew comes before `mask`, which in some collections is the field of view.
MASKS = (
    *("1stmanual", "manual", "groundtruth", "groundtruths", "gt", "gts", "gtmask", "gtmasks", "truth", "masks", "mask"),
    *("segmentationclass", "segmentation", "segmentations", "seg", "segs", "segm", "labels", "label", "lbl"),
    *("annotations", "annotation", "annot", "annots", "anno", "annos", "annotated"),
    *("targets", "target", "msk", "msks", "y"),
    *("semantic", "semantics", "segmentationobject", "instance", "instances", "panoptic"),
)
#: What one mask may be stored as, side by side: 7_labelIds.png, 7_color.png. The first that is there is read.
VARIANTS = (
    *("labelids", "labeltrainids", "trainids", "semantic", "labels", "label", "mask", "gt", "instanceids"),
    *("instances", "instance", "panoptic", "color", "colour", "rgb", "overlay", "vis"),
    *("1stho", "2ndho", "manual1", "manual2"),  # of two people who drew; the first is the standard
)
IMAGES = (
    *("images", "image", "img", "imgs", "jpegimages", "photos", "photo", "pictures", "picture", "pics", "inputs"),
    *("input", "originals", "original", "orig", "rgb", "frames", "sat", "x"),
)
REGIONS = ("fov", "fieldofview")
SPLITS: dict[str, str] = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
_ROLES: dict[str, Role] = {
    **dict.fromkeys(IMAGES, "images"),
    **dict.fromkeys(MASKS, "masks"),
    **dict.fromkeys(REGIONS, "region"),
}


def role_of(folder: PurePosixPath) -> Role | None:
    """What the pictures in a folder are by its path: the last part that says so decides."""
    return next((role for part in reversed(folder.parts) if (role := _role(part))), None)


def split_of(path: PurePosixPath) -> str | None:
    """The split that a path names in one of its parts, in full or as one of its words: train, val, test, or None."""
    whole = (SPLITS[_plain(part)] for part in path.parts if is_split(part))
    return next(whole, None) or next((split for part in path.parts if (split := split_word(part))), None)


def split_word(name: str) -> str | None:
    """The split that a name is, or that one of its words is: `train`, `Valid`, `train_images`, `official_test`."""
    return _first(SPLITS, _plain(name), *_words(name))


def is_split(name: str) -> bool:
    """Whether the whole name is that of a split."""
    return _plain(name) in SPLITS


def rank_of_masks(folder: PurePosixPath) -> int:
    """Place of a folder among those that may hold the masks: the lowest is taken, and `masks` before `masks_colour`."""
    for part in reversed(folder.parts):
        if _plain(part) in MASKS:
            return MASKS.index(_plain(part))
        if found := [word for word in _words(part) if word in MASKS]:
            return len(MASKS) + MASKS.index(found[0])
    return 2 * len(MASKS)


def named_as_mask(stem: str) -> bool:
    """Whether a word of a file's name says that it is a mask: `7_mask`, `mask-7`, `7_GT`, `7_mask_2`."""
    return any(word in MASKS for word in _words(stem))


def variant_word(stem: str) -> str | None:
    """What a mask is stored as by the last word of its name, in lower case; None if that says nothing."""
    last = stem.rpartition("_")[2].lower()
    return last if last in VARIANTS else None


def _role(part: str) -> Role | None:
    words = _words(part)
    masks = any(word in MASKS for word in words)  # image_masks are masks
    return _ROLES.get(_plain(part)) or ("masks" if masks else None) or _first(_ROLES, *words)


def _first(known: Mapping[str, _T], *words: str) -> _T | None:
    return next((known[word] for word in words if word in known), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _words(name: str) -> list[str]:
    """Words of a name in lower case, without digits: `GroundTruth_2` gives groundtruth, ground and truth.

    `trainannot` gives train and annot too. Words of one or two letters say too little, except gt.
    """
    words = re.findall(r"[a-z]+", name.lower())
    words += [one.lower() for one in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    for word in list(words):
        if match := re.fullmatch(r"(train|val|test)(\w+)", word):
            words += match.groups()
    return [word for word in words if len(word) > 2 or word == "gt"]
