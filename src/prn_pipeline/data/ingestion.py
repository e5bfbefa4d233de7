"""The manifest of a data set: what its files hold, and which split, group and fold each sample is in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from prn_pipeline.data.canvas import LETTERBOXED, canvas_of
from prn_pipeline.data.classes_present import refuse_one_class, warn_of_absent_classes
from prn_pipeline.data.episodes import CATEGORY
from prn_pipeline.data.examination import SampleFacts, examine_all
from prn_pipeline.data.image_values import WHITE, common_white
from prn_pipeline.data.mask_values import check_mask_values
from prn_pipeline.data.readers.records import Reader, Record
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.splits.assignment import assign_folds, assign_splits
from prn_pipeline.data.splits.duplicates import join_identical, refuse_identical_across, warn_of_identical
from prn_pipeline.data.splits.foreground import check_foreground
from prn_pipeline.data.splits.near_crops import crop_pairs
from prn_pipeline.data.splits.near_duplicates import (
    joined,
    near_pairs,
    near_within,
    warn_of_near_pairs,
    warn_of_near_within,
)
from prn_pipeline.data.splits.versions import refuse_torn_versions
from prn_pipeline.data.splits.video_frames import looks_like_video
from prn_pipeline.data.stretched_images import warn_of_stretched
from prn_pipeline.data.summary import Read, Summary, summarise
from prn_pipeline.data.turned_images import Pair, warn_of_turned
from prn_pipeline.errors import UserError


@dataclass(frozen=True)
class _Assignment:
    splits: dict[str, str]
    groups: dict[str, str]
    folds: dict[str, int]


class Inspection(NamedTuple):
    """A data set that can be used.

    Attributes:
        manifest: one row per sample; see `inspect`.
        summary: what the data set consists of; see `summary.summarise`.
    """

    manifest: pd.DataFrame
    summary: Summary


def inspect(name: str, settings: DatasetSettings, reader: Reader) -> pd.DataFrame:
    """The manifest of a data set: one row per sample, in order of sample_id.

    Columns: sample_id; image_path, mask_path, ignore_path (str, relative to the data root, "" for none); sha256 (of
    the decoded RGB pixels and their shape; of 16-bit pictures before they are scaled), mask_sha256 (of the mask of 0,
    1, 255); native_height, native_width; foreground (share of the pixels that are not ignored, in [0, 1], NaN if there
    are none); split; group; fold (0 .. folds - 1, and -1 for test); video (bool, the same in all rows: images look like
    frames of videos, and the settings name no groups). The attribute WHITE is the value of 16-bit pictures that becomes
    255, if there are any; LETTERBOXED is there where samples keep the aspect of their images.

    Args:
        name: the data set's name, for messages.
        settings: the data set's block; `split` and `folds` are used here.
        reader: as returned by `make_reader`.

    Raises:
        UserError: bad files, as `examine_all`, no foreground at all, or impossible splits or folds.
    """
    return inspect_and_summarise(name, settings, reader).manifest


def inspect_and_summarise(name: str, settings: DatasetSettings, reader: Reader) -> Inspection:
    """The manifest of a data set, as `inspect` returns it, and its summary."""
    records = reader.records()
    facts = examine_all(name, records, reader)
    masks = {_name_of_mask(record, settings): fact.mask for record, fact in zip(records, facts, strict=True)}
    check_mask_values(name, settings, masks)
    white = _judge_images(name, settings, records, facts)
    refuse_one_class(name, settings, [fact.foreground for fact in facts], masks)
    try:
        assignment = _assign(name, records, facts, settings)
    except UserError as error:
        raise UserError(f"data set '{name}': {error}") from error
    grouped = settings.task == "few_shot" or settings.split.group is not None
    small = np.stack([fact.thumbnail for fact in facts])
    video = not grouped and looks_like_video(name, small)
    manifest = pd.DataFrame(
        {
            "sample_id": record.sample_id,
            "image_path": _text(record.image_path),
            "mask_path": _text(record.mask_path),
            "ignore_path": _text(record.ignore_path),
            "sha256": fact.sha256,
            "mask_sha256": fact.mask_sha256,
            "native_height": fact.native_height,
            "native_width": fact.native_width,
            "foreground": fact.foreground,
            "split": assignment.splits[record.sample_id],
            "group": assignment.groups[record.sample_id],
            "fold": assignment.folds.get(record.sample_id, -1),
            "video": video,
        }
        for record, fact in zip(records, facts, strict=True)
    )
    if white is not None:
        manifest.attrs[WHITE] = white
    if canvas_of(settings.image_size).letterboxed:
        manifest.attrs[LETTERBOXED] = True
    if settings.task == "few_shot":
        manifest[CATEGORY] = [record.group for record in records]
    check_foreground(name, manifest, bool(settings.classes))
    warn_of_absent_classes(name, settings, masks.values(), manifest["split"])
    splits, content = (manifest[column].to_numpy(dtype=str) for column in ("split", "sha256"))
    pairs, within = near_pairs(small, splits, content), near_within(small, splits, content)
    if not grouped and not video:
        warn_of_near_within(name, within, len(manifest))
    if settings.task != "few_shot":
        reduced = [fact.reduced for fact in facts if fact.reduced is not None]
        if len(reduced) == len(facts):
            pairs = joined(pairs, crop_pairs(reduced, splits), content)
        warn_of_near_pairs(name, pairs, manifest["sample_id"].tolist(), splits)
    warn_of_stretched(name, settings, manifest)
    read = Read(records, [fact.image for fact in facts], masks, getattr(reader, "account", None))
    return Inspection(manifest, summarise(name, manifest, read, pairs, within, settings.split.group is not None))


def _judge_images(name: str, settings: DatasetSettings, records: list[Record], facts: list[SampleFacts]) -> int | None:
    """Check the files of all images together; the common white of wide images, if there are any."""
    images = [_text(record.image_path) or record.sample_id for record in records]
    warn_of_turned(
        name,
        (
            Pair(image, fact.image, fact.mask, fact.native_height, fact.native_width)
            for image, fact in zip(images, facts, strict=True)
        ),
    )
    return common_white(name, settings, {image: fact.image for image, fact in zip(images, facts, strict=True)})


def data_identity(manifest: pd.DataFrame) -> str:
    """sha256 (hex) over ids, image and mask contents, and splits: equal if and only if two runs used the same data."""
    rows = manifest.sort_values("sample_id")[["sample_id", "sha256", "mask_sha256", "split"]]
    digest = hashlib.sha256()
    for row in rows.itertuples(index=False):
        digest.update("\0".join(map(str, row)).encode() + b"\n")
    return digest.hexdigest()


def _assign(name: str, records: list[Record], facts: list[SampleFacts], settings: DatasetSettings) -> _Assignment:
    content = {record.sample_id: fact.sha256 for record, fact in zip(records, facts, strict=True)}
    given = {record.sample_id: record.split for record in records}
    groups = {record.sample_id: record.group for record in records}
    # A few-shot image may show objects of several categories, each with its own mask. Test holds new categories, and
    # may share images with train.
    if settings.task != "few_shot":
        if settings.split.method not in ("ratio", "folds"):
            refuse_identical_across(given, content)
        masks = {record.sample_id: fact.mask_sha256 for record, fact in zip(records, facts, strict=True)}
        warn_of_identical(name, content, masks)
        groups = join_identical(groups, content)
    splits = assign_splits(groups, given, settings.split)
    if settings.task != "few_shot" and settings.split.group is None:
        refuse_torn_versions(splits, settings.split.method not in ("ratio", "folds"))
    learned_from = {sample_id: group for sample_id, group in groups.items() if splits[sample_id] != "test"}
    return _Assignment(splits, groups, assign_folds(learned_from, settings.folds, settings.split.seed))


def _name_of_mask(record: Record, settings: DatasetSettings) -> str:
    """Of its file, which may hold the masks of many images if it is no picture; of the sample if there is none."""
    file = _text(record.mask_path)
    return f"{file} ({record.sample_id})" if file and settings.annotations else file or record.sample_id


def _text(path: Path | None) -> str:
    return "" if path is None else path.as_posix()
