"""A folder -> the settings of the data set that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prn_pipeline.data.discovery.annotation_files import FoundAnnotations, find_annotations
from prn_pipeline.data.discovery.arrangement import arrange
from prn_pipeline.data.discovery.image_size import ImageSize, size_of_images
from prn_pipeline.data.discovery.inventory import Inventory, take_inventory
from prn_pipeline.data.discovery.mask_rule import evenly, rule_of_masks
from prn_pipeline.data.discovery.matching import Paths
from prn_pipeline.data.discovery.sorting import sort_pictures
from prn_pipeline.data.discovery.split_choice import choose_splits
from prn_pipeline.data.discovery.split_files import find_split
from prn_pipeline.data.readers.annotations.annotated_samples import annotated_samples
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.sample_files import Files, find_samples, names_of_samples
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError

#: Table that is written into the data set's folder where no setting expresses the splits that its folders name.
TABLE = "splits_by_folder.csv"
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
        native: median height and width of the images in pixels.
        notes: what was decided without proof, one sentence each, with the key to set.
        table: a file that was written for the block; None for none.
    """

    name: str
    data_root: Path
    block: dict[str, Any]
    samples: int
    native: tuple[int, int]
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
    try:
        found = sort_pictures(inventory)
    except UserError:
        annotations = find_annotations(inventory)
        if annotations is None:
            raise
        return _annotated(name, data_root, folder, inventory, annotations, here)
    arrangement = arrange(folder, found)
    masks = rule_of_masks([folder / path for path in found.masks], arrangement.several)
    size = size_of_images([folder / path for path in found.images])
    block = here | masks.block | arrangement.block | {"image_size": size.size}
    notes = (*found.notes, *arrangement.notes, *masks.notes, *([size.note] if size.note else []))
    files, refused = _samples(folder, block)
    return _finished(name, data_root, folder, inventory, block, files, arrangement.splits, (*notes, *refused), size)


def _annotated(
    name: str, data_root: Path, folder: Path, inventory: Inventory, found: FoundAnnotations, here: dict[str, Any]
) -> Proposal:
    size = size_of_images([folder / path for path in found.images])
    block = here | found.block | {"image_size": size.size}
    settings = DatasetSettings.model_validate(block)
    files = annotated_samples(folder, settings, FileAccount(), {})
    reader = make_reader(name, settings, data_root)
    for record in evenly(reader.records(), MASKS):
        reader.mask(record)
    others = replace(inventory, others=[path for path in inventory.others if path not in set(found.files)])
    notes = (*found.notes, *([size.note] if size.note else []))
    return _finished(name, data_root, folder, others, block, files, found.splits, notes, size)


def _finished(
    name: str,
    data_root: Path,
    folder: Path,
    inventory: Inventory,
    block: dict[str, Any],
    files: Files,
    splits: Mapping[str, Paths],
    notes: tuple[str, ...],
    size: ImageSize,
) -> Proposal:
    """The block with its split, checked with the reader."""
    table = None
    if "split" not in block:
        split = find_split(inventory, names_of_samples(files, folder))
        notes += split.notes
        if split.block:
            block["split"] = split.block
        elif splits:
            table, note = _write_table(folder, splits, files)
            block["split"] = {"method": "column", "file": TABLE}
            notes += (f"Folders or files name the splits: they stand in {table} (`split`).", *([note] if note else []))
    settings = DatasetSettings.model_validate(block)
    try:
        samples = len(make_reader(name, settings, data_root).records())
    except UserError:
        if table:
            table.unlink()
        raise
    return Proposal(name, data_root, _ordered(block), samples, size.native, notes, table)


def _samples(folder: Path, block: dict[str, Any]) -> tuple[Files, tuple[str, ...]]:
    """The files of each sample. An ignore region whose files fit no image is removed from the block, and named."""
    try:
        return find_samples(folder, DatasetSettings.model_validate(block), FileAccount())[0], ()
    except UserError as error:
        if "ignore_region" not in block:
            raise
        note = f"`ignore_region: {block.pop('ignore_region')}` was not set: {error}"
        return find_samples(folder, DatasetSettings.model_validate(block), FileAccount())[0], (note,)


def _write_table(folder: Path, splits: Mapping[str, Paths], files: Files) -> tuple[Path, str]:
    """Write the split of each sample; the path, and what to say of the splits that are missing."""
    choice = choose_splits(splits)
    assert choice is not None
    named = {own: key for key, own in choice.named().items() if own}
    split_of_image = {folder / path: named[own] for own, paths in splits.items() for path in paths}
    rows = [(sample_id, split_of_image.get(paths["image"][0], "")) for sample_id, paths in files.items()]
    path = folder / TABLE
    text = "sample_id,split\n" + "".join(f"{_quoted(sample_id)},{split}\n" for sample_id, split in rows)
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except PermissionError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}). Its folders name splits that need this table: allow"
            " writing, or arrange the files as train/images, train/masks, test/images and test/masks."
        ) from error
    return path, choice.note


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def _ordered(block: dict[str, Any]) -> dict[str, Any]:
    return {key: block[key] for key in DatasetSettings.model_fields if key in block}
