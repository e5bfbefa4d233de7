"""Which pictures of a folder are images and which are masks, by the names of folders and files."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import NamedTuple

from prn_pipeline.data.discovery.annotation_files import annotations_in
from prn_pipeline.data.discovery.foreign_annotations import foreign_annotations
from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.discovery.words import (
    VARIANTS,
    Role,
    named_as_mask,
    rank_of_masks,
    role_of,
    split_of,
    variant_word,
)
from prn_pipeline.data.readers.pairing_proposal import COVERED
from prn_pipeline.errors import UserError

#: Suffixes of pictures that lose detail, so that the others beside them are the masks.
PHOTOS = frozenset({".jpg", ".jpeg", ".webp", ".heic", ".heif", ".avif"})
_EXPECTED = (
    "Expected images with one mask picture each, in folders such as images/ and masks/, or in one folder under names"
    " such as 7.jpg and 7_mask.png; or images with annotations in UTF-8: JSON of COCO, LabelMe or VIA, XML of CVAT for"
    " images, polygons of YOLO, a CSV table of run-length codes."
)

Files = list[PurePosixPath]
_ByFolder = dict[PurePosixPath, Files]


class Sorted(NamedTuple):
    """The pictures of a data set; paths are relative to its folder.

    Attributes:
        images: sorted.
        masks: sorted.
        regions: masks of the field of view.
        notes: what was left out, one sentence each.
    """

    images: Files
    masks: Files
    regions: Files
    notes: tuple[str, ...]


def sort_pictures(inventory: Inventory) -> Sorted:
    """Tell images from masks.

    Raises:
        UserError: there are no images, or no masks; annotations of another kind are named with what makes masks of
            them.
    """
    if not inventory.pictures and not inventory.arrays:
        raise UserError(f"{inventory.folder}: no pictures (found {inventory.described()}). {_EXPECTED}")
    folders: _ByFolder = defaultdict(list)
    for path in inventory.pictures:
        folders[path.parent].append(path)
    roles: dict[PurePosixPath, Role | None] = {folder: role_of(folder) for folder in folders}
    for path in inventory.arrays:  # arrays are masks, where a folder says so, and never images without a setting
        if role_of(path.parent) == "masks" and path.parent not in roles:
            folders[path.parent].append(path)
    roles |= {folder: "masks" for folder in folders if folder not in roles}
    images, masks, plain = (_of(roles, role) for role in ("images", "masks", None))
    if masks and not images:
        images, plain = plain, []
    elif images and not masks and plain and not (annotations_in(inventory) or foreign_annotations(inventory)):
        masks, plain = plain, []
    if images and masks:
        return _by_folder(inventory, folders, images, masks, _of(roles, "region"), plain)
    return _by_name(inventory, folders)


def _of(roles: dict[PurePosixPath, Role | None], role: Role | None) -> Files:
    return sorted(folder for folder, found in roles.items() if found == role)


def _by_folder(
    inventory: Inventory, folders: _ByFolder, images: Files, masks: Files, regions: Files, plain: Files
) -> Sorted:
    notes = []
    best: dict[str | None, int] = {}
    for folder in masks:
        best[split_of(folder)] = min(rank_of_masks(folder), best.get(split_of(folder), rank_of_masks(folder)))
    others = [folder for folder in masks if rank_of_masks(folder) > best[split_of(folder)]]
    masks = [folder for folder in masks if folder not in others]
    if others:
        notes.append(
            f"{_names(others)} may hold masks too; those of {_names(masks)} are used: set `masks` if that is wrong."
        )
    labelled = {split_of(folder) for folder in masks}
    without = [folder for folder in images if split_of(folder) not in labelled] if None not in labelled else []
    if len(without) == len(images):
        without = []
    if without:
        images = [folder for folder in images if folder not in without]
        notes.append(f"{_names(without)}: images without masks, left out; `prn refine` takes such images.")
    if plain:
        notes.append(f"{_names(plain)}: pictures that are neither images nor masks by their names, left out.")
    if regions:
        notes.append(f"{_names(regions)}: taken for the field of view (`ignore_region`), outside which nothing counts.")
    chosen, further = _one_variant(_files(folders, masks))
    if further:
        notes.append(_variants_note(chosen, further))
    return Sorted(_files(folders, images), chosen, _files(folders, regions), tuple(notes))


def _one_variant(masks: Files) -> tuple[Files, str]:
    """Where each mask is stored in several ways, under names that say so: the first way, and what the others are."""
    ways: dict[str | None, Files] = defaultdict(list)
    for path in masks:
        ways[variant_word(path.stem)].append(path)
    begins = [{(path.parent, path.stem.rpartition("_")[0]) for path in files} for files in ways.values()]
    if len(ways) < 2 or None in ways or any(one != begins[0] for one in begins):
        return masks, ""
    first, *others = sorted((word for word in ways if word), key=VARIANTS.index)
    return ways[first], " and ".join(ways[word][0].name for word in others)


def _by_name(inventory: Inventory, folders: _ByFolder) -> Sorted:
    """Images and masks in the same folders: masks have a word in their names, or another format."""
    pictures = _files(folders, sorted(folders))
    masks = [path for path in pictures if named_as_mask(path.stem)]
    if not masks or len(masks) == len(pictures):
        masks = _by_format(pictures)
    if not masks:
        foreign = foreign_annotations(inventory)
        what = f"images, but no masks. {foreign}" if foreign else f"no masks (found {inventory.described()})."
        raise UserError(f"{inventory.folder}: {what} {_EXPECTED}")
    found = set(masks)
    images = [path for path in pictures if path not in found]
    chosen, further = _one_variant(masks)
    notes = (_variants_note(chosen, further),) if further else ()
    return Sorted(images, chosen, [], notes)


def _without_variant(path: PurePosixPath) -> PurePosixPath | None:
    """The path up to the word that says how the mask is stored, or who drew it; None without one."""
    begin = path.stem.rpartition("_")[0]
    return path.with_name(begin) if begin and variant_word(path.stem) else None


def _variants_note(chosen: Files, further: str) -> str:
    return f"Masks such as {chosen[0].name} are read, {further} beside them are not."


def _by_format(pictures: Files) -> Files:
    """Pictures that share their names with photos, such as 7.png beside 7.jpg."""
    photos = {path.with_suffix("") for path in pictures if path.suffix.lower() in PHOTOS}
    others = [path for path in pictures if path.suffix.lower() not in PHOTOS]
    shared = [path for path in others if {path.with_suffix(""), _without_variant(path)} & photos]
    return shared if shared and len(shared) >= COVERED * max(len(photos), len(others)) else []


def _files(folders: _ByFolder, chosen: Files) -> Files:
    return sorted(path for folder in chosen for path in folders[folder])


def _names(folders: Files) -> str:
    listed = [f"{folder}/" if folder.parts else "the folder itself" for folder in folders[:3]]
    return ", ".join(listed) + (", ..." if len(folders) > 3 else "")
