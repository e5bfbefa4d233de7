"""Channels of stored maps: one map, foreground and background, or one per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.errors import UserError

#: Most channels of an array; more are taken for a stack of something else.
MOST_CHANNELS = 256
#: Channels of pictures in colours: RGB, RGBA.
COLOURS = (3, 4)


def planes_of(stored: NDArray[Any], name: str) -> NDArray[Any]:
    """Channels first: (C, H, W), from (H, W), (C, H, W), (H, W, C), and these with axes of length 1.

    Grey pictures that are stored as RGB or RGBA have one channel.

    Raises:
        UserError: another shape.
    """
    trimmed = _trimmed(stored)
    if trimmed.ndim == 2 and trimmed.size:
        return trimmed[None]
    if trimmed.ndim != 3 or not trimmed.size:
        raise UserError(
            f"{name}: an array of shape {stored.shape}, expected (height, width): one value per pixel; or with an axis"
            " of channels before or behind them."
        )
    if trimmed.shape[2] in COLOURS and trimmed.dtype.kind in "bu" and _is_grey(trimmed):
        return trimmed[None, ..., 0]
    planes = _channels_first(trimmed)
    if len(planes) > MOST_CHANNELS:
        raise UserError(f"{name}: an array of shape {stored.shape}, expected (height, width): one value per pixel.")
    return planes


def foreground_channel(planes: NDArray[Any], foreground: int | None, name: str) -> int:
    """Number of the channel whose map is used; for maps of one channel, 0 with `foreground: 0` means background.

    Args:
        planes: (C, H, W).
        foreground: setting; None for the only channel, or the second of two.
        name: of the file, for messages.

    Raises:
        UserError: three or more channels without a setting, or the setting names none of them.
    """
    number = len(planes)
    if number == 1:
        if foreground not in (None, 0, 1):
            raise UserError(f"{name}: one channel, but `foreground: {foreground}`. Set 0 if it is background, else 1.")
        return 0
    if foreground is None:
        if number > 2:
            colours = (
                " If it is a picture of the map in colours, write the values of the map instead: colours are no"
                " probabilities."
                if number in COLOURS and planes.dtype == np.uint8
                else ""
            )
            raise UserError(
                f"{name}: an array of shape {planes.shape}, expected (height, width): one value per pixel.{colours} If"
                f" one of the {number} channels is the map of the foreground, set `foreground` to its number, 0 to"
                f" {number - 1}."
            )
        return 1
    if foreground >= number:
        raise UserError(f"{name}: {number} channels, but `foreground: {foreground}`. Set it to 0 .. {number - 1}.")
    return foreground


def class_planes(stored: NDArray[Any], classes: int, channels: Sequence[int] | None, name: str) -> NDArray[Any]:
    """(classes, H, W), from the same or (H, W, classes), and these with axes of length 1.

    Args:
        stored: as read; with `channels` it may have more channels than classes.
        classes: number of classes.
        channels: channel of each class; None for 0, 1, 2, ...
        name: of the file, for messages.

    Raises:
        UserError: another shape, or channels that are not there.
    """
    trimmed = _trimmed(stored)
    wanted = classes if channels is None else max(channels) + 1
    if trimmed.ndim != 3 or max(trimmed.shape[0], trimmed.shape[2]) < wanted:
        raise _no_maps_of_classes(stored, classes, name)
    if channels is None:
        if classes not in (trimmed.shape[0], trimmed.shape[2]):
            raise _no_maps_of_classes(stored, classes, name)
        return trimmed if trimmed.shape[0] == classes else np.moveaxis(trimmed, 2, 0)
    if len(channels) != classes:
        raise UserError(f"`class_channels` has {len(channels)} numbers, expected one for each of {classes} classes.")
    planes = _channels_first(trimmed)
    if len(planes) < wanted:
        raise UserError(f"{name}: {len(planes)} channels, but `class_channels` has {wanted - 1}. They start at 0.")
    return planes[list(channels)]


def _no_maps_of_classes(stored: NDArray[Any], classes: int, name: str) -> UserError:
    return UserError(
        f"{name}: an array of shape {stored.shape}, expected ({classes}, height, width): one map for each of the"
        f" {classes} classes. Set `class_channels` if it has other channels too."
    )


def _channels_first(trimmed: NDArray[Any]) -> NDArray[Any]:
    """The shorter of first and last axis is that of the channels."""
    return trimmed if trimmed.shape[0] <= trimmed.shape[2] else np.moveaxis(trimmed, 2, 0)


def _trimmed(stored: NDArray[Any]) -> NDArray[Any]:
    """Without axes of length 1, as long as three axes are left, or two of which none is a channel."""
    trimmed = stored
    while trimmed.ndim > 2 and 1 in trimmed.shape:
        if trimmed.ndim == 3 and 1 not in (trimmed.shape[0], trimmed.shape[2]):
            break  # an image of one row, with its channels around it
        trimmed = np.squeeze(trimmed, trimmed.shape.index(1))
    return trimmed


def _is_grey(pixels: NDArray[Any]) -> bool:
    """Whether the colours of RGB or RGBA pixels (H, W, 3 or 4) are equal."""
    return all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))
