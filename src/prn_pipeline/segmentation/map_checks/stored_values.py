"""What the values of many maps say about their meaning, without any truth."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_decoding import DOUBLE_SIGMOID, NEARLY_ONE, SCALES, TOLERANCE, remedy

#: Different values up to which they are listed; more are many.
MOST_LISTED = 8
#: Values of one map that are looked at first: most maps have many different ones among them.
GLANCE = 4096
#: Distance from the bounds of a second sigmoid or softmax within which maps keep to them.
NEAR = 0.004
#: Maps whose highest value is at least this share of a scale that is SMALLER or more times smaller than the one that is
#: used are in that scale; others may be honest maps that never come near a probability of 1.
CERTAIN, SMALLER = 0.98, 2.5
#: Kinds of numbers, from narrow to wide: bool, integers that are scaled by their range, other integers, floats.
KINDS = ("b", "u8", "u16", "i", "f")


class StoredValues(NamedTuple):
    """Values of all channels of one map, or of many.

    Attributes:
        low: lowest value.
        high: highest value.
        listed: all different values, ascending; None if there are more than `MOST_LISTED`.
        kind: one of `KINDS`; for maps of different kinds the widest.
    """

    low: float
    high: float
    listed: tuple[float, ...] | None
    kind: str


class Stated(NamedTuple):
    """What settings say of values.

    Attributes:
        values: "probabilities", "logits" or "double_sigmoid".
        key: the setting that says so.
        scale: stored value that means a probability of 1; None for that of the kind.
        has_scale: whether there is a setting `scale`.
    """

    values: str
    key: str
    scale: float | None = None
    has_scale: bool = True


def values_of(array: NDArray[Any]) -> StoredValues:
    """Values of one map, of any shape but empty."""
    flat = array.ravel()
    glance = np.unique(flat[:: max(1, flat.size // GLANCE)])
    different = glance if len(glance) > MOST_LISTED else np.unique(flat)
    listed = tuple(different.astype(np.float64).tolist()) if len(different) <= MOST_LISTED else None
    return StoredValues(float(flat.min()), float(flat.max()), listed, _kind(array.dtype))


def together(maps: Iterable[StoredValues]) -> StoredValues:
    """Values of several maps, at least one."""
    lows, highs, lists, kinds = zip(*maps, strict=True)
    different = set[float]().union(*(some for some in lists if some is not None))
    many = any(some is None for some in lists) or len(different) > MOST_LISTED
    return StoredValues(min(lows), max(highs), None if many else tuple(sorted(different)), max(kinds, key=KINDS.index))


def objection(values: StoredValues, stated: Stated, channels: int = 1) -> str | None:
    """Why values cannot be what the settings say, and what to do about it; None if they can.

    Args:
        values: of several maps, of images with foreground.
        stated: what the settings say.
        channels: number of channels of each map.
    """
    if not np.isfinite([values.low, values.high]).all():
        return None  # reading the maps says which one it is
    few = _too_few(values, stated)
    if few is not None or stated.values == "double_sigmoid":
        return few
    if stated.values == "logits":
        return _no_logits(values, stated)
    return _no_probabilities(values, stated) or _one_too_many(values, stated, channels)


def likely_scale(values: StoredValues, stated: Stated) -> float | None:
    """The scale of maps that never come near a probability of 1, if their highest value is near that of a known one."""
    used = scale_of(values, stated)
    if not stated.has_scale or stated.values != "probabilities":
        return None
    known = sorted((*SCALES, 1.0, *(1 / one for one in SCALES)))
    near = [one for one in known if NEARLY_ONE * one <= values.high <= one * (1 + TOLERANCE) and 2 * one < used]
    return near[0] if near else None


def is_certain(scale: float, values: StoredValues, stated: Stated) -> bool:
    """Whether maps that never come near a probability of 1 can hardly be anything but maps in that scale."""
    return values.high >= CERTAIN * scale and SMALLER * scale <= scale_of(values, stated)


def scale_of(values: StoredValues, stated: Stated) -> float:
    """Stored value that means a probability of 1."""
    return stated.scale or {"u8": 255.0, "u16": 65535.0}.get(values.kind, 1.0)


def _too_few(values: StoredValues, stated: Stated) -> str | None:
    listed = values.listed
    if listed is None:
        return None
    if len(listed) == 1:
        return f"every pixel has the value {listed[0]:.4g}. Correct the model that gave the maps"
    scaled = stated.scale is None and values.kind in ("u8", "u16", "i")
    ids = scaled and listed == tuple(range(len(listed)))
    if len(listed) > 2 and not ids:
        return None
    named = ", ".join(f"{value:.4g}" for value in listed[:-1]) + f" and {listed[-1]:.4g}"
    return (
        f"they hold only the values {named}, which makes them masks, not probabilities. A refiner learns from how sure"
        " the model is, which a mask no longer shows. Use the model's probabilities, before any threshold or argmax:"
        " floats from 0 to 1, or integers scaled to 255 or 65535"
    )


def _no_logits(values: StoredValues, stated: Stated) -> str | None:
    if abs(values.low + 1) <= 0.01 and abs(values.high - 1) <= 0.01:
        return (
            f"{_range(values)} are hardly logits, because they end at -1 and 1 as those of tanh do."
            f" {'Store' if stated.has_scale else 'Return'} (x + 1) / 2 for a value x, and set `{stated.key}:"
            " probabilities`"
        )
    if values.low < 0:
        return None
    if values.high <= 1:
        return f"{_range(values)} are no logits, because all lie between 0 and 1. Set `{stated.key}: probabilities`"
    scale = next((one for one in (100, 255, 65535) if NEARLY_ONE * one <= values.high <= one), None)
    if scale is None:
        return None
    if not stated.has_scale:
        return (
            f"{_range(values)} are hardly logits, because none is below 0. If {scale} means a probability of 1, return"
            f" values divided by {scale}, and set `{stated.key}: probabilities`"
        )
    return (
        f"{_range(values)} are hardly logits, because none is below 0. Set `{stated.key}: probabilities` and `scale:"
        f" {scale}` if {scale} means a probability of 1"
    )


def _no_probabilities(values: StoredValues, stated: Stated) -> str | None:
    scale = scale_of(values, stated)
    if values.low >= -TOLERANCE * scale and values.high <= (1 + TOLERANCE) * scale:
        return None
    if stated.scale is not None:
        advice = f"Correct `scale: {stated.scale:g}`"
    elif stated.has_scale or values.low < -TOLERANCE:
        advice = remedy(values.low, values.high).replace("`values: ", f"`{stated.key}: ")
        advice = advice if stated.has_scale else advice.replace("Store ", "Return ").replace("store ", "return ")
    else:
        advice = "Return probabilities from 0 to 1"
    return f"{_range(values)} are no probabilities. {advice}"


def _one_too_many(values: StoredValues, stated: Stated, channels: int) -> str | None:
    """A sigmoid or softmax of probabilities, which keeps to narrow bounds."""
    scale = scale_of(values, stated)
    low, high = values.low / scale, values.high / scale
    if low >= DOUBLE_SIGMOID[0] - NEAR and high <= DOUBLE_SIGMOID[1] + NEAR:
        key = f", or set `{stated.key}: double_sigmoid`" if stated.has_scale else ""
        return (
            f"probabilities from {low:.4g} to {high:.4g} went through a second sigmoid, which leads to 0.5 .. 0.7311:"
            f" everything would be foreground. Leave out one sigmoid{key}"
        )
    least, most = 1 / (math.e + channels - 1), math.e / (math.e + channels - 1)  # softmax of 0 and of 1
    if channels > 1 and abs(low - least) <= NEAR and abs(high - most) <= NEAR:
        return (
            f"probabilities from {low:.4g} to {high:.4g} went through a second softmax, which leads to {least:.4g} .."
            f" {most:.4g} with {channels} channels. Leave out one softmax"
        )
    return None


def _range(values: StoredValues) -> str:
    return f"values from {values.low:.4g} to {values.high:.4g}"


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return f"u{8 * dtype.itemsize}"
    return {"i": "i", "u": "i", "b": "b"}.get(dtype.kind, "f")
