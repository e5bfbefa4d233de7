"""A folder -> the settings of the data set that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.data.discovery.annotation_block import FoundAnnotations, find_annotations
from prn_pipeline.data.discovery.annotation_files import annotations_in
from prn_pipeline.data.discovery.arrangement import Arrangement, arrange
from prn_pipeline.data.discovery.image_size import ImageSize, size_of_images
from prn_pipeline.data.discovery.inventory import Inventory, take_inventory
from prn_pipeline.data.discovery.label_map import find_label_map
from prn_pipeline.data.discovery.mask_rule import evenly, rule_of_masks
from prn_pipeline.data.discovery.matching import Paths
from prn_pipeline.data.discovery.pair_lists import arranged_by_lists, find_pair_lists
from prn_pipeline.data.discovery.sorting import Sorted, sort_pictures
from prn_pipeline.data.discovery.split_choice import choose_splits
from prn_pipeline.data.discovery.split_files import find_split
from prn_pipeline.data.discovery.split_table import TABLE, write_table
from prn_pipeline.data.readers.annotations.annotated_samples import annotated_samples
from prn_pipeline.data.readers.annotations.registry import FORMATS
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.sample_files import Files, find_samples, names_of_samples
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, counted

#: Masks that are drawn of annotations, to see that they can be.
MASKS = 50


@dataclass(frozen=True)
class Proposal:
    """The block of a data set.

    Attributes:
        name: of the block.
        data_root: folder that `block["folder"]`, or the name, is below.
        block: keys that differ from the defaults, in the order of `parameters_datasets.yml`.
        samples: their number.
        size_reason: for `block["image_size"]`.
        notes: what was decided without proof, one sentence each, with the key to set.
        table: a file that was written for the block; None for none.
    """

    name: str
    data_root: Path
    block: dict[str, Any]
    samples: int
    size_reason: str
    notes: tuple[str, ...]
    table: Path | None = None


def propose_block(name: str, data_root: Path, below: str) -> Proposal:
    """Look at a data set's folder, and check with the reader that the settings find its samples.

    Args:
        name: for the block.
        data_root: folder that holds the data sets.
        below: path of the data set's folder below it.

    Raises:
        UserError: no images with masks were found, or files have no partner.
    """
    folder = data_root / below
    inventory = take_inventory(folder)
    here: dict[str, Any] = {} if below == name else {"folder": below}
    found = _found(inventory, here)
    block, notes, table = found.block, found.notes, None
    if "split" not in block:
        split = find_split(found.inventory, names_of_samples(found.files, folder))
        notes += split.notes
        if split.block:
            block["split"] = split.block
        elif found.splits:
            table, note = write_table(folder, found.splits, found.files)
            block["split"] = {"method": "column", "file": TABLE}
            notes += (f"Folders or files name the splits: they stand in {table} (`split`).", *([note] if note else []))
    reader = make_reader(name, DatasetSettings.model_validate(block), data_root)
    try:
        records = reader.records()
        if "annotations" in block:
            for record in evenly(records, MASKS):
                reader.mask(record)
    except UserError:
        if table:
            table.unlink()
        raise
    return Proposal(name, data_root, _ordered(block), len(records), found.size.reason, notes, table)


class _Found(NamedTuple):
    """A block without its split, and what a split is made of."""

    block: dict[str, Any]
    notes: tuple[str, ...]
    files: Files
    splits: Mapping[str, Paths]
    size: ImageSize
    inventory: Inventory


def _found(inventory: Inventory, here: dict[str, Any]) -> _Found:
    """Images with masks, as names or lists pair them; if there are none, images with annotations."""
    lists = find_pair_lists(inventory)
    try:
        pictures = sort_pictures(inventory)
        found = _with_masks(inventory, pictures, arrange(inventory.folder, pictures), here)
    except UserError:
        if lists is not None:
            return _with_masks(inventory, *arranged_by_lists(inventory, lists), here)
        annotations = find_annotations(inventory)
        if annotations is None:
            raise
        return _with_annotations(inventory, annotations, here)
    if lists is not None and lists.contradict(found.files):
        return _with_masks(inventory, *arranged_by_lists(inventory, lists), here)
    return found


def _with_masks(inventory: Inventory, pictures: Sorted, arrangement: Arrangement, here: dict[str, Any]) -> _Found:
    folder = inventory.folder
    masks = rule_of_masks([folder / path for path in pictures.masks], arrangement.several, find_label_map(inventory))
    size = size_of_images([folder / path for path in pictures.images])
    block = here | masks.block | arrangement.block | {"image_size": size.size}
    if arrangement.unlabelled:
        block["mask"] = block.get("mask", {}) | {"absent": "leave_out"}
    files, refused = _samples(folder, block)
    further = (
        *_left_out(arrangement.unlabelled),
        *([size.note] if size.note else []),
        *refused,
        *_unused_annotations(inventory),
    )
    notes = (*pictures.notes, *arrangement.notes, *masks.notes, *further)
    used = {paths["image"][0] for paths in files.values()}
    labelled = {
        split: [path for path in images if folder / path in used] for split, images in arrangement.splits.items()
    }
    named = {split: images for split, images in labelled.items() if images}
    return _Found(block, notes, files, named if choose_splits(named) else {}, size, inventory)


def _left_out(unlabelled: int) -> tuple[str, ...]:
    if not unlabelled:
        return ()
    return (
        f"{counted(unlabelled, 'image')} without mask: left out, as not labelled. If they show nothing, set `mask:"
        " {absent: background}`.",
    )


def _unused_annotations(inventory: Inventory) -> tuple[str, ...]:
    """What annotations there are beside masks, in a sentence."""
    if (found := annotations_in(inventory)) is None:
        return ()
    name, files = found
    more = f" and {counted(len(files) - 1, 'more file')}" if len(files) > 1 else ""
    return (
        f"Masks are read, and the annotations of {FORMATS[name].label} beside them are not ({files[0]}{more}): for"
        f" these, replace `masks`, `mask` and `pairing` by `annotations: {{format: {name}, files: [...]}}`.",
    )


def _with_annotations(inventory: Inventory, found: FoundAnnotations, here: dict[str, Any]) -> _Found:
    folder = inventory.folder
    size = size_of_images([folder / path for path in found.images])
    block = here | found.block | {"image_size": size.size}
    files = annotated_samples(folder, DatasetSettings.model_validate(block), FileAccount(), {})
    used = set(found.files)
    others = replace(inventory, others=[path for path in inventory.others if path not in used])
    return _Found(block, (*found.notes, *([size.note] if size.note else [])), files, found.splits, size, others)


def _samples(folder: Path, block: dict[str, Any]) -> tuple[Files, tuple[str, ...]]:
    """The files of each sample. An ignore region whose files fit no image is removed from the block, and named."""
    try:
        return find_samples(folder, DatasetSettings.model_validate(block), FileAccount())[0], ()
    except UserError as error:
        if "ignore_region" not in block:
            raise
        note = f"`ignore_region: {block.pop('ignore_region')}` was not set: {error}"
        return find_samples(folder, DatasetSettings.model_validate(block), FileAccount())[0], (note,)


def _ordered(block: dict[str, Any]) -> dict[str, Any]:
    return {key: block[key] for key in DatasetSettings.model_fields if key in block}
