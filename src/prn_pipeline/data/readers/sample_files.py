"""Which files of a data set's folder make up each sample."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from prn_pipeline.data.readers.array_files import NUMPY
from prn_pipeline.data.readers.band_decoding import EXTENSIONS as IMAGES
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_kinds import PICTURES, stem_of
from prn_pipeline.data.readers.listing import list_pictures
from prn_pipeline.data.readers.nested import warn_of_nested
from prn_pipeline.data.readers.pairing import pair_files
from prn_pipeline.data.readers.sample_ids import plain_id
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.splits.settings import FoldersSplit
from prn_pipeline.errors import UserError

#: Sample id -> kind of file (image, mask, ignore region) -> files.
Files = dict[str, dict[str, list[Path]]]
Pair = Callable[[Path, DatasetSettings, FileAccount], Files]


def paired_files(folder: Path, settings: DatasetSettings, account: FileAccount) -> Files:
    """The image, the mask files and the ignore regions of each sample below one folder."""
    extensions = PICTURES if settings.bands is None else IMAGES
    besides = {folder / file for file in settings.split.files}
    images = list_pictures(folder, settings.images, "images", extensions, account, besides=besides)
    masks = list_pictures(folder, settings.masks, "masks", account=account, otherwise=NUMPY, besides=besides)
    others = {"mask": masks}
    if settings.ignore_region:
        regions = list_pictures(folder, settings.ignore_region, "ignore_region", account=account)
        others["ignore region"] = regions
    patterns = {"images": settings.images, "masks": settings.masks}
    if settings.ignore_region:
        patterns["ignore_region"] = settings.ignore_region
    warn_of_nested(folder, patterns, itertools.chain(images, *others.values()), account)
    mask = settings.mask
    return pair_files(images, others, settings.pairing, folder, account, mask.masks_per_image == "union", mask.absent)


def find_samples(
    folder: Path, settings: DatasetSettings, account: FileAccount, pair: Pair = paired_files
) -> tuple[Files, dict[str, str] | None]:
    """The files of each sample, and with split method `folders` the split of each.

    Args:
        folder: of the data set.
        settings: of the data set.
        account: receives what is found and left out.
        pair: the data set's folder, or that of a split, the settings and the account -> the files of each sample.

    Raises:
        UserError: folders or partners are missing or duplicated.
    """
    if isinstance(settings.split, FoldersSplit):
        return _paired_by_split_folder(folder, settings.split, settings, account, pair)
    return pair(folder, settings, account), None


def names_of_samples(files: Files, folder: Path) -> dict[str, str]:
    """Every unambiguous name of a sample -> its id: the id itself, its image's file name, stem and path."""
    meant: dict[str, set[str]] = {}
    for sample_id, paths in files.items():
        image = paths["image"][0]
        for name in (image.name, stem_of(image), image.relative_to(folder).as_posix()):
            meant.setdefault(plain_id(name), set()).add(sample_id)
    return {name: ids.pop() for name, ids in meant.items() if len(ids) == 1} | {key: key for key in files}


def _paired_by_split_folder(
    folder: Path, split: FoldersSplit, settings: DatasetSettings, account: FileAccount, pair: Pair
) -> tuple[Files, dict[str, str]]:
    folders = {"train": split.train, "val": split.val, "test": split.test}
    found: dict[str, Files] = {}
    for name, sub_folder in folders.items():
        if sub_folder is None:
            continue
        if not (folder / sub_folder).is_dir():
            raise UserError(
                f"{folder / sub_folder}: no such folder of the {name} split. Correct `split.{name}: {sub_folder}`."
            )
        found[name] = pair(folder / sub_folder, settings, account)
    pairs = [(name, sample_id) for name in found for sample_id in found[name]]
    # Many data sets number the samples of every split from 1: then the split becomes part of every id.
    plain = len({sample_id for _, sample_id in pairs}) == len(pairs)
    ids = {(name, sample_id): sample_id if plain else f"{name}_{sample_id}" for name, sample_id in pairs}
    files = {ids[name, sample_id]: found[name][sample_id] for name, sample_id in pairs}
    return files, {ids[name, sample_id]: name for name, sample_id in pairs}
