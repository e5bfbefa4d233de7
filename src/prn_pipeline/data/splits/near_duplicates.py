"""Near-duplicates: flipped, turned, brightened, compressed or cropped copies of a picture, in different splits."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.data.splits.near_crops import CropPairs
from prn_pipeline.data.splits.versions import grouping_of

logger = logging.getLogger(__name__)
#: Pairs in one message.
MAX_LISTED = 3
#: Two images are near-duplicates where the correlation of their thumbnails, less what all images have in common, is at
#: least this. Copies that are flipped, turned, compressed, halved, or brightened by 30 % reach 0.97 in 97 % of cases on
#: eight data sets; the most similar different pictures reach 0.965 (polyps), 0.956 (retinas), 0.91 (photographs).
NEAR = 0.97
#: Share of images with a near-duplicate in their own split above which there is a warning.
MOST_WITHIN = 0.5
#: Rows and columns of one matrix product; bounds the memory to a few ten MB.
BLOCK = 1024
#: Length of a thumbnail below which an image is one plain colour and resembles nothing.
PLAIN = 0.5


class NearPairs(NamedTuple):
    """Pairs of images in different splits that are nearly the same.

    Attributes:
        first: row of one image, int64 (k,).
        second: row of the other, int64 (k,).
        correlation: float32 (k,), 0.97 .. 1; of crops 0.9 .. 1.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    correlation: NDArray[np.float32]


def near_pairs(thumbnails: NDArray[np.float32], splits: NDArray[np.str_], content: NDArray[np.str_]) -> NearPairs:
    """Near-duplicates across splits, the most alike first; identical images are no near-duplicates.

    Args:
        thumbnails: float32 (n, side * side), as `video_frames.thumbnail` returns them.
        splits: train, val or test of each image, (n,).
        content: hash of the pixels of each image, (n,).
    """
    alike = _standardised(thumbnails)
    found = [
        _between(alike, np.flatnonzero(splits == one), np.flatnonzero(splits == other))
        for one, other in itertools.combinations(SPLITS, 2)
    ]
    first, second, correlation = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = content[first] != content[second]
    order = np.argsort(-correlation[kept], kind="stable")
    return NearPairs(first[kept][order], second[kept][order], correlation[kept][order])


def near_within(thumbnails: NDArray[np.float32], splits: NDArray[np.str_], content: NDArray[np.str_]) -> int:
    """The number of images that are nearly the same as another image of their own split; arguments of `near_pairs`."""
    alike = _standardised(thumbnails)
    images: set[int] = set()
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        found = _between(alike, rows, rows)
        differ = content[found.first] != content[found.second]
        images |= set(found.first[differ].tolist())
    return len(images)


def warn_of_near_within(name: str, images: int, total: int) -> None:
    """Log that most images of data set `name`, whose settings name no groups, have a near-duplicate in their split."""
    if images > MOST_WITHIN * total:
        logger.warning(
            "data set '%s': %d of %d images are nearly the same as another one of their split. Scores and gains treat"
            " them as independent. Name the copies of a picture: `split: {group: {pattern: ...}}`",
            name,
            images,
            total,
        )


def joined(near: NearPairs, crops: CropPairs, content: NDArray[np.str_]) -> NearPairs:
    """Near-duplicates and crops, without crops that are near-duplicates or identical; the most alike first."""
    known = set(zip(near.first.tolist(), near.second.tolist(), strict=True))
    known |= {(second, first) for first, second in known}
    new = [
        content[one] != content[other] and (int(one), int(other)) not in known
        for one, other in zip(crops.first, crops.second, strict=True)
    ]
    first = np.concatenate([near.first, crops.first[new]])
    second = np.concatenate([near.second, crops.second[new]])
    correlation = np.concatenate([near.correlation, crops.correlation[new]])
    order = np.argsort(-correlation, kind="stable")
    return NearPairs(first[order], second[order], correlation[order])


def warn_of_near_pairs(name: str, pairs: NearPairs, ids: Sequence[str], splits: NDArray[np.str_]) -> None:
    """Log how many images of data set `name` are nearly the same as one in another split, and how to group them."""
    if not len(pairs.first):
        return
    images = Counter(str(splits[row]) for row in np.unique(np.concatenate([pairs.first, pairs.second])))
    among = ", ".join(f"{images[split]} {split}" for split in SPLITS if images[split])
    examples = "; ".join(
        f"{ids[one]} ({splits[one]}) ~ {ids[other]} ({splits[other]})"
        for one, other in zip(pairs.first[:MAX_LISTED], pairs.second[:MAX_LISTED], strict=True)
    )
    pattern = grouping_of([(ids[one], ids[other]) for one, other in zip(pairs.first, pairs.second, strict=True)], ids)
    remedy = f"{{pattern: '{pattern}'}}" if pattern else "{pattern: ...}` or `{file: groups.csv}"
    logger.warning(
        "data set '%s': %d images (%s) are nearly the same as an image in another split, also flipped, turned or"
        " brightened, or are a part of it: %s%s. Scores on them are too high. Keep copies together with `split.group:"
        " %s`",
        name,
        images.total(),
        among,
        examples,
        " ..." if len(pairs.first) > MAX_LISTED else "",
        remedy,
    )


def _standardised(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thumbnails less what all have in common in any orientation, such as the disc of a retina, at length 1."""
    side = round(thumbnails.shape[1] ** 0.5)
    common = np.mean([one.ravel() for one in _orientations(thumbnails.mean(0).reshape(1, side, side))], axis=0)
    rest = thumbnails - common
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    plain = np.linalg.norm(thumbnails, axis=1, keepdims=True) < PLAIN
    return np.where(plain, 0, rest / np.maximum(length, 1e-6)).astype(np.float32)


def _between(alike: NDArray[np.float32], ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NearPairs:
    """Pairs of `ours` and `theirs`, in order of both."""
    found = [
        _of_block(alike, ours[start : start + BLOCK], theirs[other : other + BLOCK])
        for start in range(0, len(ours), BLOCK)
        for other in range(0, len(theirs), BLOCK)
    ]
    if not found:
        return NearPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    first, second, correlation = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((second, first))
    return NearPairs(first[order], second[order], correlation[order])


def _of_block(alike: NDArray[np.float32], ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NearPairs:
    side = round(alike.shape[1] ** 0.5)
    block, correlation = alike[ours], np.full((len(ours), len(theirs)), -1, np.float32)
    for turned in _orientations(alike[theirs].reshape(-1, side, side)):
        np.maximum(correlation, block @ turned.reshape(-1, side * side).T, out=correlation)
    row, column = np.nonzero(correlation >= NEAR)
    return NearPairs(ours[row], theirs[column], correlation[row, column])


def _orientations(pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The eight orientations of pictures (n, side, side)."""
    return [
        np.ascontiguousarray(np.rot90(one, turns, (1, 2)))
        for one in (pictures, pictures[:, :, ::-1])
        for turns in range(4)
    ]
