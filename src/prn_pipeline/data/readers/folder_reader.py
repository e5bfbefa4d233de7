"""Samples from image files in folders."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.band_decoding import decode_bands
from prn_pipeline.data.readers.contents import require_contents
from prn_pipeline.data.readers.decoding import decode_image, read_image
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_facts import MaskFacts, ReadSample, image_facts, united_facts
from prn_pipeline.data.readers.geotiff import pixels_without_data
from prn_pipeline.data.readers.listing import require_dataset_folder
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.readers.masks import binarize_mask, class_ids, ignore_outside, united
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.readers.sample_files import Files, find_samples, names_of_samples, paired_files
from prn_pipeline.data.readers.split_files import groups_of, splits_from_column, splits_from_lists
from prn_pipeline.data.readers.stored_size import stored_size
from prn_pipeline.data.sample_format import IGNORE, Pixels
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.splits.settings import ColumnSplit, ListsSplit
from prn_pipeline.errors import UserError, counted

logger = logging.getLogger(__name__)

#: Keys of `mask` that hold for files of ignore regions too, in which any value but 0 counts.
_OF_FILES = {"palette", "alpha", "pages", "zero_is_white"}


class FolderReader:
    """Reads the data set `name` below `data_root`; see `DatasetSettings` for the formats of its files."""

    #: Kinds of files that are pictures or arrays, which are never empty.
    _decoded: tuple[str, ...] = ("image", "mask", "ignore region")

    def __init__(self, name: str, settings: DatasetSettings, data_root: Path) -> None:
        self.name = name
        self.settings = settings
        self.data_root = data_root
        #: What the last call of `records` found and left out.
        self.account = FileAccount()

    def records(self) -> list[Record]:
        """All samples, sorted by sample_id; samples that are in none of the given splits are left out.

        Raises:
            UserError: folders, partners or split entries are missing or duplicated; or files of samples have no
                contents.
        """
        self.account = FileAccount()
        folder = require_dataset_folder(self.name, self.data_root, self.settings.folder or self.name)
        split = self.settings.split
        files, given = find_samples(folder, self.settings, self.account, self._pair)
        known = names_of_samples(files, folder)
        groups = groups_of(folder, split.group, known) if split.group else {}
        if isinstance(split, ListsSplit):
            given = splits_from_lists(folder, split, known, groups)
        elif isinstance(split, ColumnSplit):
            given = splits_from_column(folder, split, known)
        chosen = [sample_id for sample_id in sorted(files) if given is None or sample_id in given]
        if len(chosen) < len(files):
            left = sorted(set(files) - set(chosen))
            logger.warning("data set '%s': %s in no split: left out", self.name, counted(len(left), "image"))
            self.account.leave_out("image", "in no split", (files[sample_id]["image"][0].name for sample_id in left))
        used = (path for one in chosen for kind in self._decoded for path in files[one].get(kind, ()))
        require_contents(used, folder)
        return [
            self._record(
                sample_id, files[sample_id], given[sample_id] if given else None, groups.get(sample_id, sample_id)
            )
            for sample_id in chosen
        ]

    def image(self, record: Record) -> Pixels:
        """uint8 (H, W, 3), RGB, upright; or uint16 (H, W, bands) if the settings have `bands`.

        Wide pictures are scaled by the settings' `white`, which ingestion measures.
        """
        assert record.image_path is not None
        path = self.data_root / record.image_path
        if self.settings.bands is not None:
            return decode_bands(path, self.settings.bands, self.settings.read_limits)
        return decode_image(path, self.settings.white, self.settings.first_page, self.settings.read_limits)

    def scaled(self, white: int | None) -> FolderReader:
        """A reader of the same files that scales wide pictures by `white`; None changes nothing."""
        if white is None:
            return self
        return type(self)(self.name, self.settings.model_copy(update={"white": white}), self.data_root)

    def mask(self, record: Record) -> NDArray[np.uint8]:
        """uint8 (H, W) of 0, 1 and 255 by the data set's rule; of class ids and 255 if it has classes.

        Raises:
            UserError: the file is unreadable, its values are not in the settings, or its ignore region differs in size.
        """
        return self._without_data(record, self._mask(record)[0])

    def examine(self, record: Record) -> ReadSample:
        """Image and mask, and what their files hold."""
        mask, facts = self._mask(record)
        mask, bands = self._without_data(record, mask), self.settings.bands
        if bands is not None:
            image = self.image(record)
            return ReadSample(image, mask, image_facts(image, f"{bands.count} bands"), facts)
        assert record.image_path is not None
        stored = read_image(self.data_root / record.image_path, self.settings.first_page, self.settings.read_limits)
        kind = "8-bit RGB" if not stored.wide else f"16-bit {'grey' if stored.pixels.shape[2] == 1 else 'RGB'}"
        kind += " and a band that is left out" if stored.band_left_out else ""
        about = image_facts(stored.pixels, kind, stored.orientation, stored.wide, stored.band_left_out)
        return ReadSample(stored.pixels, mask, about, facts)

    def _pair(self, folder: Path, settings: DatasetSettings, account: FileAccount) -> Files:
        return paired_files(folder, settings, account)

    def _mask(self, record: Record) -> tuple[NDArray[np.uint8], MaskFacts]:
        if record.mask_path is None:
            mask, facts = self._blank(record)
        else:
            read = [self._mask_file(path) for path in self._paths(record, record.mask_path, "mask")]
            mask, facts = united([mask for mask, _ in read]), united_facts([facts for _, facts in read])
        if record.ignore_path is None:
            return mask, facts
        paths = self._paths(record, record.ignore_path, "ignore region")
        rule = MaskSettings(threshold=0, **self.settings.mask.model_dump(include=_OF_FILES))
        stored = (read_mask(path, rule, limits=self.settings.read_limits) for path in paths)
        region = united([_one_page((mask.values != 0).astype(np.uint8)) for mask in stored])
        if region.shape != mask.shape:
            raise UserError(
                f"{self.data_root / record.ignore_path}: the ignore region is {region.shape[0]} x {region.shape[1]} "
                f"pixels (height x width), its mask {mask.shape[0]} x {mask.shape[1]}. Export both at the same size."
            )
        return ignore_outside(mask, region), facts

    def _blank(self, record: Record) -> tuple[NDArray[np.uint8], MaskFacts]:
        """The mask of an image without foreground, which has no file."""
        assert record.image_path is not None
        size = stored_size(self.data_root / record.image_path, self.settings.read_limits)
        return np.zeros(size.upright(), np.uint8), MaskFacts((), size.orientation)

    def _without_data(self, record: Record, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mask, ignored where the image is a GeoTIFF file without data."""
        assert record.image_path is not None
        path, every_page = self.data_root / record.image_path, self.settings.bands is not None
        empty = pixels_without_data(path, self.settings.read_limits, every_page)
        return mask if empty is None or empty.shape != mask.shape else np.where(empty, np.uint8(IGNORE), mask)

    def _record(self, sample_id: str, files: dict[str, list[Path]], split: str | None, group: str) -> Record:
        below = {kind: [path.relative_to(self.data_root) for path in paths] for kind, paths in files.items()}
        return Record(
            sample_id=sample_id,
            image_path=below["image"][0],
            mask_path=below["mask"][0] if below["mask"] else None,
            ignore_path=below["ignore region"][0] if self.settings.ignore_region else None,
            split=split,
            group=group,
            more={kind: tuple(paths[1:]) for kind, paths in below.items() if len(paths) > 1},
        )

    def _paths(self, record: Record, first: Path, kind: str) -> list[Path]:
        return [self.data_root / path for path in (first, *record.more.get(kind, ()))]

    def _mask_file(self, path: Path) -> tuple[NDArray[np.uint8], MaskFacts]:
        classes, rule = len(self.settings.classes), self.settings.mask
        stored = read_mask(path, rule, classes, self.settings.read_limits)
        try:
            mask = class_ids(stored.values, classes, rule) if classes else binarize_mask(stored.values, rule)
        except UserError as error:
            raise UserError(f"{path}: {error}{stored.hint}") from error
        return _one_page(mask), stored.facts


def _one_page(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask (H, W) as it is, and pages (N, H, W) united."""
    return united(list(mask)) if mask.ndim == 3 else mask
