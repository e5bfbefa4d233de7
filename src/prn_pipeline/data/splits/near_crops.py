"""Crops of pictures in other splits: pairs where one image is a part of the other, enlarged, perhaps mirrored.

A coarse comparison of each whole image with 86 parts of each other one names its likeliest picture; the part is then
fitted to it, and what is left without the coarse shapes has to agree. Any two images of some data sets agree in that
too, such as retinas in one round frame: pairs drawn at random show how much, and crops have to agree more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Side of the reduced images, of the coarse comparison, of the fitting, and of the last look.
SIDE, COARSE, MIDDLE, FINE = 64, 8, 12, 24
#: Side of a part, as a share of its picture -> number of its places along a side.
PARTS = {0.9: 3, 0.78: 4, 0.66: 5, 0.55: 6}
#: Least coarse correlation, correlation, and correlation of detail. Crops of 80 to 97 % of a side reach .85 in detail
#: in nine of ten cases; different pictures of six data sets at most .81.
LIKELY, ALIKE, DETAIL = 0.7, 0.9, 0.85
#: Least correlation after the first step of fitting; most different pictures end there.
PROMISING = 0.85
#: Least number of cells, of FINE * FINE, that the agreement in detail is spread over: one bright spot on black can be
#: laid over any other. Crops of photographs have 21 and more, crops of a few nuclei on black 5 to 16.
LEAST_SPREAD = 10
#: Detail in which a crop must exceed nine of ten random pairs, and the number of these.
ABOVE_RANDOM, RANDOM_PAIRS = 0.15, 30
#: Smallest and largest side of a part, and the steps by which it is fitted, in 1/256 of the picture.
UNIT, SMALLEST, LARGEST, STEPS = 256, 90, 246, (15, 8, 4, 2)
#: More images are not searched: the comparison grows with their square.
MOST_IMAGES = 4000
#: Correlations in memory at once; pictures at once where each becomes COARSE * COARSE cells.
BLOCK, COARSE_BLOCK = 4_000_000, 256


class Part(NamedTuple):
    """A part of a picture: top, height, left, width in 1/UNIT of its sides."""

    top: int
    height: int
    left: int
    width: int


class CropPairs(NamedTuple):
    """Pairs of images in different splits of which one is a crop of the other.

    Attributes:
        first: row of one image, int64 (k,).
        second: row of the other, int64 (k,); the smaller row comes first.
        correlation: float32 (k,).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    correlation: NDArray[np.float32]


def crop_pairs(reduced: Sequence[NDArray[np.float16]], splits: NDArray[np.str_]) -> CropPairs:
    """Crops across splits; of each image at most the one picture that it resembles most.

    Args:
        reduced: n of float16 (SIDE, SIDE), as `video_frames.thumbnails` returns them. They stay apart and small: copies
            of all of them would be most of what ingestion holds in memory.
        splits: train, val or test of each image, (n,).
    """
    found: dict[tuple[int, int], float] = {}
    count = len(reduced)
    if 2 <= count <= MOST_IMAGES and len(np.unique(splits)) > 1:
        likely = [pair for pair in _likeliest(reduced, splits) if pair.coarse >= LIKELY]
        least = max(DETAIL, _detail_of_random_pairs(reduced) + ABOVE_RANDOM) if likely else 1
        for pair in likely if least < 1 else ():
            picture, whole = _pictures(reduced, [pair.picture, pair.whole])
            alike, detail = _fitted(picture, whole[:, ::-1] if pair.mirrored else whole, _parts()[pair.part])
            if alike >= ALIKE and detail >= least:
                rows = (min(pair.whole, pair.picture), max(pair.whole, pair.picture))
                found[rows] = max(alike, found.get(rows, 0))
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    return CropPairs(pairs[:, 0], pairs[:, 1], np.array([found[pair] for pair in sorted(found)], np.float32))


class _Likely(NamedTuple):
    """Rows of a whole image and of the picture that it is probably a part of, the part, and how they correlate."""

    whole: int
    mirrored: bool
    picture: int
    part: int
    coarse: float


def _pictures(reduced: Sequence[NDArray[np.float16]], rows: Iterable[int]) -> NDArray[np.float32]:
    """float32 (k, SIDE, SIDE)."""
    return np.stack([reduced[row] for row in rows]).astype(np.float32)


def _likeliest(reduced: Sequence[NDArray[np.float16]], splits: NDArray[np.str_]) -> list[_Likely]:
    """Of each image the likeliest part of a picture in another split."""
    all_of_it, count = _weights(0, UNIT, COARSE), len(reduced)
    blocks = (range(start, min(start + COARSE_BLOCK, count)) for start in range(0, count, COARSE_BLOCK))
    wholes = np.concatenate([_standardised(all_of_it @ _pictures(reduced, rows) @ all_of_it.T) for rows in blocks])
    targets = np.stack([wholes, wholes[:, :, ::-1]], axis=1).reshape(count, 2, -1)
    best: dict[int, _Likely] = {}
    parts = len(_parts())
    for split in np.unique(splits):
        ours, theirs = np.flatnonzero(splits == split), np.flatnonzero(splits != split)
        wanted = targets[theirs].reshape(2 * len(theirs), -1).T
        size = max(1, BLOCK // (parts * 2 * len(theirs)))
        for start in range(0, len(ours), size):
            rows = ours[start : start + size]
            similar = _coarse_parts(_pictures(reduced, rows)).reshape(-1, COARSE**2) @ wanted
            place = similar.argmax(0)
            for target, value in enumerate(similar[place, np.arange(similar.shape[1])].tolist()):
                whole, mirrored = divmod(target, 2)
                row = int(theirs[whole])
                if row not in best or value > best[row].coarse:
                    picture, part = divmod(int(place[target]), parts)
                    best[row] = _Likely(row, bool(mirrored), int(rows[picture]), part, value)
    return list(best.values())


def _coarse_parts(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, parts, COARSE * COARSE), of mean 0 and length 1."""
    found = []
    for share, places in PARTS.items():
        side, starts = _places(share, places)
        rows = np.stack([_weights(start, side, COARSE) for start in starts])
        lines = np.einsum("kas,nst->nkat", rows, pictures, optimize=True)
        parts = np.einsum("nkat,lbt->nklab", lines, rows, optimize=True)
        found.append(_standardised(parts.reshape(len(pictures), places**2, COARSE, COARSE)))
    return np.concatenate(found, axis=1).reshape(len(pictures), -1, COARSE**2)


@cache
def _parts() -> list[Part]:
    """The parts, in the order of `_coarse_parts`."""
    found = []
    for share, places in PARTS.items():
        side, starts = _places(share, places)
        found += [Part(top, side, left, side) for top in starts for left in starts]
    return found


def _places(share: float, places: int) -> tuple[int, list[int]]:
    side = round(share * UNIT)
    return side, np.linspace(0, UNIT - side, places).round().astype(int).tolist()


def _fitted(picture: NDArray[np.float32], whole: NDArray[np.float32], part: Part) -> tuple[float, float]:
    """Correlation, and correlation of detail, of a whole image with the part of a picture that fits it best.

    The latter is 0 where few cells make it up, or where the fit begins badly.
    """
    all_of_it = _weights(0, UNIT, MIDDLE)
    target = _standardised(all_of_it @ whole @ all_of_it.T).ravel()
    best = -1.0
    for step in STEPS:
        tops, lefts = _around(part.top, part.height, step), _around(part.left, part.width, step)
        rows = np.concatenate([_weights(*span, MIDDLE) for span in tops])
        columns = np.concatenate([_weights(*span, MIDDLE) for span in lefts])
        parts = (rows @ picture @ columns.T).reshape(len(tops), MIDDLE, len(lefts), MIDDLE).transpose(0, 2, 1, 3)
        alike = _standardised(parts).reshape(-1, MIDDLE**2) @ target
        if alike.max() >= best:
            best = float(alike.max())
            top, left = divmod(int(alike.argmax()), len(lefts))
            part = Part(*tops[top], *lefts[left])
        if best < PROMISING:
            return best, 0.0
    all_of_it = _weights(0, UNIT, FINE)
    rows, columns = _weights(part.top, part.height, FINE), _weights(part.left, part.width, FINE)
    one, other = rows @ picture @ columns.T, all_of_it @ whole @ all_of_it.T
    shared = _standardised(_detail(one)) * _standardised(_detail(other))
    spread = float(shared.sum() ** 2 / max(float((shared**2).sum()), 1e-12))
    return _correlation(one, other), float(shared.sum()) if spread >= LEAST_SPREAD else 0.0


def _around(start: int, length: int, step: int) -> list[tuple[int, int]]:
    """Starts and lengths within one step, inside the picture."""
    lengths = [min(max(length + change, SMALLEST), LARGEST) for change in (-step, 0, step)]
    return [(min(max(start + shift, 0), UNIT - one), one) for one in lengths for shift in (-step, 0, step)]


def _detail_of_random_pairs(reduced: Sequence[NDArray[np.float16]]) -> float:
    """Correlation of detail that nine of ten pairs of different images stay below when they are fitted."""
    rng = np.random.default_rng(0)
    count = len(reduced)
    first = rng.integers(0, count, RANDOM_PAIRS)
    second = (first + rng.integers(1, count, RANDOM_PAIRS)) % count
    all_of_it = _weights(0, UNIT, COARSE)
    details = []
    for one, other in zip(first, second, strict=True):
        picture, whole = _pictures(reduced, [one, other])
        target = _standardised(all_of_it @ whole @ all_of_it.T).ravel()
        part = int((_coarse_parts(picture[None])[0] @ target).argmax())
        details.append(_fitted(picture, whole, _parts()[part])[1])
    return float(np.quantile(details, 0.9))


@lru_cache(maxsize=4096)  # of 3 to 6 KiB each
def _weights(start: int, length: int, side: int) -> NDArray[np.float32]:
    """(side, SIDE): rows that average a span of a reduced image, in 1/UNIT, to `side` values."""
    edges = np.linspace(start, start + length, side + 1) * (SIDE / UNIT)
    cells = np.arange(SIDE)
    covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.maximum(covered, 0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _standardised(pictures: NDArray[np.floating]) -> NDArray[np.float32]:
    """Pictures (..., h, w) of mean 0 and length 1."""
    centred = pictures - pictures.mean((-2, -1), keepdims=True)
    length = np.sqrt((centred**2).sum((-2, -1), keepdims=True))
    return (centred / np.maximum(length, 1e-6)).astype(np.float32, copy=False)


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float((_standardised(one) * _standardised(other)).sum())


def _detail(picture: NDArray[np.floating]) -> NDArray[np.floating]:
    return picture - _blurred(_blurred(picture))


def _blurred(picture: NDArray[np.floating]) -> NDArray[np.floating]:
    wide = np.pad(picture, 1, mode="edge")
    height, width = picture.shape
    shifted = [wide[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    return np.mean(shifted, axis=0, dtype=np.float32)
