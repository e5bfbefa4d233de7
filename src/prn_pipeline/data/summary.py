"""What a data set consists of, as one JSON object: files, sizes, values, foreground, groups and duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from prn_pipeline.data.mask_values import files_by_value
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_facts import ImageFacts, MaskFacts
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.data.splits.near_duplicates import NearPairs
from prn_pipeline.data.summary_file import SCHEMA

#: Sizes, values and pairs that are listed.
MAX_LISTED = 10

Summary = dict[str, Any]


class Read(NamedTuple):
    """What ingestion has read, one entry per sample.

    Attributes:
        records: of the reader.
        images: facts of the image files.
        masks: file name -> facts of the masks.
        account: files that were found and left out; None if the samples have no files.
    """

    records: Sequence[Record]
    images: Sequence[ImageFacts]
    masks: Mapping[str, MaskFacts]
    account: FileAccount | None


def summarise(
    name: str, manifest: pd.DataFrame, read: Read, near: NearPairs, near_within: int, grouped: bool
) -> Summary:
    """The summary of a data set; all of its values are JSON's.

    Args:
        name: of the data set.
        manifest: as `ingestion.inspect` returns it.
        read: what the files hold.
        near: near-duplicates across splits, as rows of the manifest.
        near_within: number of images with a near-duplicate in their own split.
        grouped: whether the settings define groups.
    """
    return {
        "schema": SCHEMA,
        "dataset": name,
        "samples": len(manifest),
        "files": _files(read),
        "images": _images(manifest, read.images),
        "masks": _masks(read.masks),
        "splits": {split: _split(manifest[manifest["split"] == split]) for split in SPLITS},
        "groups": _groups(manifest, grouped),
        "duplicates": _duplicates(manifest, near, near_within),
        "video": bool(manifest["video"].any()),
    }


def _files(read: Read) -> Summary:
    if read.account is None:
        return {"found": {}, "used": {}, "left_out": []}
    used = {
        "images": len(read.records),
        "annotation files": len({record.mask_path for record in read.records}),
        "masks": sum(1 + len(record.more.get("mask", ())) for record in read.records if record.mask_path),
        "ignore regions": sum(
            1 + len(record.more.get("ignore region", ())) for record in read.records if record.ignore_path
        ),
    }
    found = read.account.found
    files = {"found": found, "used": {kind: used[kind] for kind in found}, "left_out": read.account.rows()}
    if read.account.format:
        files["annotations"] = {"format": read.account.format, "outlines": dict(read.account.outlines.most_common())}
    return files


def _images(manifest: pd.DataFrame, facts: Sequence[ImageFacts]) -> Summary:
    sizes = Counter(zip(manifest["native_height"].tolist(), manifest["native_width"].tolist(), strict=True))
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    return {
        "sizes": [[*size, count] for size, count in sizes.most_common(MAX_LISTED)],
        "distinct_sizes": len(sizes),
        "smallest": list(by_area[0]),
        "largest": list(by_area[-1]),
        "kinds": dict(Counter(fact.kind for fact in facts).most_common()),
        "low": min(fact.low for fact in facts),
        "high": max(fact.high for fact in facts),
        "turned": sum(fact.orientation != 1 for fact in facts),
    }


def _masks(masks: Mapping[str, MaskFacts]) -> Summary:
    files = files_by_value(masks)
    listed = list(files.items())[:MAX_LISTED]
    return {
        "values": [{"value": value, "files": len(names), "example": names[0]} for value, names in listed],
        "distinct_values": len(files),
        "low": min(files),
        "high": max(files),
        "turned": sum(fact.orientation != 1 for fact in masks.values()),
    }


def _split(rows: pd.DataFrame) -> Summary:
    shares = rows["foreground"].dropna().to_numpy()
    measured = {"mean": shares.mean(), "low": shares.min(), "high": shares.max()} if len(shares) else {}
    found = {key: float(measured[key]) if measured else None for key in ("mean", "low", "high")}
    return {
        "images": len(rows),
        "groups": int(rows["group"].nunique()),
        "foreground": found,
        "without_foreground": int((shares == 0).sum()),
    }


def _groups(manifest: pd.DataFrame, grouped: bool) -> Summary:
    sizes = manifest["group"].value_counts()
    return {
        "given": grouped,
        "count": len(sizes),
        "smallest": int(sizes.min()),
        "largest": int(sizes.max()),
        "name_of_largest": str(sizes.index[0]),
    }


def _duplicates(manifest: pd.DataFrame, near: NearPairs, near_within: int) -> Summary:
    repeated = manifest["sha256"].duplicated(keep=False)
    ids, splits = manifest["sample_id"].tolist(), manifest["split"].tolist()
    pairs = [
        [ids[one], splits[one], ids[other], splits[other], round(float(correlation), 4)]
        for one, other, correlation in list(zip(*near, strict=True))[:MAX_LISTED]
    ]
    return {
        "identical_images": int(repeated.sum()),
        "near_across_splits": len(np.unique(np.concatenate([near.first, near.second]))),
        "near_pairs": len(near.first),
        "near_within_splits": near_within,
        "examples": pairs,
    }
