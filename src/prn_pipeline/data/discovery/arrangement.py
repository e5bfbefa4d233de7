"""Sorted pictures -> the keys that find them: `images`, `masks`, `pairing`, and a split by folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from prn_pipeline.data.discovery.matching import Match, Part, Paths, match_files
from prn_pipeline.data.discovery.patterns import pattern_of
from prn_pipeline.data.discovery.sorting import Sorted
from prn_pipeline.data.discovery.split_choice import choose_splits
from prn_pipeline.data.discovery.words import is_split, split_of
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError


class Arrangement(NamedTuple):
    """Where the files of a data set are.

    Attributes:
        block: the keys images, masks, pairing, ignore_region and split, as far as they differ from the defaults.
        several: an image may have several masks.
        splits: split -> its images, where folders name splits that `block` cannot express, but a table can.
        notes: what was decided without proof, one sentence each.
        unlabelled: images without a mask.
    """

    block: dict[str, Any]
    several: bool
    splits: Mapping[str, Paths] = {}
    notes: tuple[str, ...] = ()
    unlabelled: int = 0


def arrange(folder: Path, found: Sorted) -> Arrangement:
    """The plainest settings that find all images and masks.

    Args:
        folder: of the data set.
        found: its pictures.

    Raises:
        UserError: no pattern finds them, or they do not pair.
    """
    splits = _by_split(found.images)
    if None not in splits and set(splits) == set(_by_split(found.masks)) and len(splits) > 1:
        in_folders = _in_split_folders(folder, found, [split for split in splits if split])
        if in_folders:
            return in_folders
    part = Part(folder, found.images, found.masks)
    block = _places(part, found.regions)
    match = match_files([part])
    named = {split: images for split, images in splits.items() if split}
    return Arrangement(
        block | _pairing(match), match.several, named if choose_splits(named) else {}, unlabelled=match.unlabelled
    )


def _in_split_folders(folder: Path, found: Sorted, splits: list[str]) -> Arrangement | None:
    """Settings with split method `folders`; None if the splits are not one folder each, or not arranged alike."""
    choice = choose_splits(splits)
    roots = {split: _roots(split, [*found.images, *found.masks]) for split in splits}
    if choice is None or any(len(paths) != 1 or None in paths for paths in roots.values()):
        return None
    own = {split: root for split, paths in roots.items() for root in paths if root is not None}
    parts = {
        split: Part(folder / root, _below(root, found.images), _below(root, found.masks)) for split, root in own.items()
    }
    try:
        places = [_places(part, _below(own[split], found.regions)) for split, part in parts.items()]
    except UserError:
        return None
    if any(place != places[0] for place in places):
        return None
    match = match_files(list(parts.values()))
    named = {key: str(own[name]) if name else None for key, name in choice.named().items()}
    block = places[0] | _pairing(match) | {"split": {"method": "folders", **named}}
    return Arrangement(block, match.several, {}, (choice.note,) if choice.note else (), match.unlabelled)


def _places(part: Part, regions: Paths) -> dict[str, str]:
    places = {
        "images": pattern_of(part.folder, part.images, "images"),
        "masks": pattern_of(part.folder, part.masks, "masks"),
    }
    if regions:
        places["ignore_region"] = pattern_of(part.folder, regions, "regions")
    fields = DatasetSettings.model_fields
    return {key: place for key, place in places.items() if place != fields[key].default}


def _pairing(match: Match) -> dict[str, Any]:
    if match.rule is None:
        return {}
    return {"pairing": {"by": "regex", "image": match.rule.image, "mask": match.rule.mask}}


def _by_split(paths: Paths) -> dict[str | None, list[PurePosixPath]]:
    found: dict[str | None, list[PurePosixPath]] = {}
    for path in paths:
        found.setdefault(split_of(path.parent), []).append(path)
    return found


def _roots(split: str, paths: Paths) -> set[PurePosixPath | None]:
    """Folders that are a split as a whole, such as `data/train`; None among them for files that lie in no such one."""
    found: set[PurePosixPath | None] = set()
    for parent in {path.parent for path in paths if split_of(path.parent) == split}:
        place = next((place for place, part in enumerate(parent.parts) if is_split(part)), None)
        found.add(None if place is None else PurePosixPath(*parent.parts[: place + 1]))
    return found


def _below(root: PurePosixPath, paths: Paths) -> list[PurePosixPath]:
    return [path.relative_to(root) for path in paths if path.is_relative_to(root)]
