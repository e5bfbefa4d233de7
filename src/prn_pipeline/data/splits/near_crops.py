"""Crops of pictures in other splits: pairs where one image is a part of the other, enlarged, perhaps mirrored.

A coarse comparison of each whole image with 86 parts of each other one names its likeliest picture; the part is then
fitted to it, and what is left without the coarse shapes has to agree. Any two images of some data sets agree in that
too, such as retinas in one round frame: pairs drawn at random show how much, and crops have to agree more.
"""

from __future__ import annotations

import itertools
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
#: Detail in which a crop must exceed nine of ten random pairs, and the number of these.
ABOVE_RANDOM, RANDOM_PAIRS = 0.15, 30
#: Smallest and largest side of a part, and the steps by which it is fitted, in 1/256 of the picture.
UNIT, SMALLEST, LARGEST, STEPS = 256, 90, 246, (15, 8, 4, 2)
#: More images are not searched: the comparison grows with their square.
MOST_IMAGES = 4000
#: Correlations in memory at once.
BLOCK = 8_000_000


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


def crop_pairs(reduced: NDArray[np.floating], splits: NDArray[np.str_]) -> CropPairs:
    """Crops across splits; of each image at most the one picture that it resembles most.

    Args:
        reduced: (n, SIDE, SIDE), as `video_frames.reduced` returns them.
        splits: train, val or test of each image, (n,).
    """
    found: dict[tuple[int, int], float] = {}
    count = len(reduced)
    if 2 <= count <= MOST_IMAGES and len(np.unique(splits)) > 1:
        pictures = reduced.astype(np.float32)
        least = max(DETAIL, _detail_of_random_pairs(pictures) + ABOVE_RANDOM)
        if least < 1:
            wholes = {False: pictures, True: np.ascontiguousarray(pictures[:, :, ::-1])}
            best = {mirrored: _likeliest(pictures, whole, splits) for mirrored, whole in wholes.items()}
            for row, mirrored in itertools.product(range(count), wholes):
                picture, part, coarse = (column[row] for column in best[mirrored])
                if coarse < LIKELY or coarse < best[not mirrored][2][row]:
                    continue
                alike, detail = _fitted(pictures[picture], wholes[mirrored][row], _parts()[part])
                if alike >= ALIKE and detail >= least:
                    pair = (min(row, int(picture)), max(row, int(picture)))
                    found[pair] = max(alike, found.get(pair, 0))
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    return CropPairs(pairs[:, 0], pairs[:, 1], np.array([found[pair] for pair in sorted(found)], np.float32))


def _likeliest(
    pictures: NDArray[np.float32], wholes: NDArray[np.float32], splits: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Of each whole image: the picture of another split with the likeliest part, that part, and the correlation."""
    all_of_it = _weights(0, UNIT, COARSE)
    targets = _standardised(all_of_it @ wholes @ all_of_it.T).reshape(len(wholes), -1)
    picture, part = np.zeros((2, len(wholes)), np.int64)
    correlation = np.full(len(wholes), -1, np.float32)
    parts = len(_parts())
    size = max(1, BLOCK // (parts * len(wholes)))
    for start in range(0, len(pictures), size):
        block = pictures[start : start + size]
        similar = (_coarse_parts(block).reshape(-1, COARSE**2) @ targets.T).reshape(len(block), parts, -1)
        similar[np.broadcast_to((splits[start : start + size, None] == splits)[:, None], similar.shape)] = -1
        flat = similar.reshape(len(block) * parts, -1)
        best = flat.argmax(0)
        value = flat[best, np.arange(len(wholes))]
        better = value > correlation
        correlation[better] = value[better]
        picture[better], part[better] = start + best[better] // parts, best[better] % parts
    return picture, part, correlation


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
    """Correlation, and correlation of detail, of a whole image with the part of a picture that fits it best."""
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
    all_of_it = _weights(0, UNIT, FINE)
    rows, columns = _weights(part.top, part.height, FINE), _weights(part.left, part.width, FINE)
    one, other = rows @ picture @ columns.T, all_of_it @ whole @ all_of_it.T
    return _correlation(one, other), _correlation(_detail(one), _detail(other))


def _around(start: int, length: int, step: int) -> list[tuple[int, int]]:
    """Starts and lengths within one step, inside the picture."""
    lengths = [min(max(length + change, SMALLEST), LARGEST) for change in (-step, 0, step)]
    return [(min(max(start + shift, 0), UNIT - one), one) for one in lengths for shift in (-step, 0, step)]


def _detail_of_random_pairs(pictures: NDArray[np.float32]) -> float:
    """Correlation of detail that nine of ten pairs of different images stay below when they are fitted."""
    rng = np.random.default_rng(0)
    count = len(pictures)
    first = rng.integers(0, count, RANDOM_PAIRS)
    second = (first + rng.integers(1, count, RANDOM_PAIRS)) % count
    all_of_it = _weights(0, UNIT, COARSE)
    details = []
    for one, other in zip(first, second, strict=True):
        target = _standardised(all_of_it @ pictures[other] @ all_of_it.T).ravel()
        part = int((_coarse_parts(pictures[one : one + 1])[0] @ target).argmax())
        details.append(_fitted(pictures[one], pictures[other], _parts()[part])[1])
    return float(np.quantile(details, 0.9))


@lru_cache(maxsize=100_000)
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
