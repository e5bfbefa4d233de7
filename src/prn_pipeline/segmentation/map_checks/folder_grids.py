"""Maps of a folder, at the reduced size at which they are compared with the truth, in every reading of their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_channels import planes_of
from prn_pipeline.data.readers.map_decoding import decode_array
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_geometry import UNSCALED, has_ratio_of, turned, unpadded
from prn_pipeline.data.readers.map_reading import Fit, MapReading
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.fit import LARGEST_LOGIT
from prn_pipeline.segmentation.map_checks.sampling import reduced_map
from prn_pipeline.segmentation.map_checks.stored_values import StoredValues, values_of
from prn_pipeline.segmentation.map_import import READERS, as_maps

#: Channels that are tried as foreground.
MOST_CHANNELS = 16
#: Name of the reading of square maps as those of the square in the middle of the image.
MIDDLE = "middle"
#: Logit where a map says nothing.
OUTSIDE = -LARGEST_LOGIT


class FolderMap(NamedTuple):
    """One map.

    Attributes:
        values: stored values.
        channels: number of stored channels.
        low: lowest logit.
        high: highest logit.
        has_size_of_image: whether it has as many rows and columns as the image.
        stated: logits float32 (C, side, side), as the settings say.
        others: the same by the setting of another reading, for those that differ.
    """

    values: StoredValues
    channels: int
    low: float
    high: float
    has_size_of_image: bool
    stated: NDArray[np.float32]
    others: dict[str, NDArray[np.float32]]


def folder_maps(
    folder: MapFolder, ids: Sequence[str], natives: Sequence[tuple[int, int]], classes: int, side: int
) -> tuple[list[FolderMap | None], list[StoredValues]]:
    """The maps of images.

    Args:
        folder: of the maps.
        ids: samples that have maps.
        natives: height and width of each image.
        classes: number of classes.
        side: of the reduced maps.

    Returns:
        The maps, None for those that cannot be read as the settings say; and the values of all maps that can be read
        at all.
    """

    def one(sample_id: str, native: tuple[int, int]) -> tuple[FolderMap | None, StoredValues | None]:
        values = None
        try:
            stored, name = folder.stored(sample_id)
            if not stored.size or stored.dtype.kind not in "fiub":
                return None, None
            values = values_of(stored)
            return _folder_map(stored, values, name, folder.reading, native, classes, side), values
        except UserError:  # the import lists all maps that cannot be read
            return None, values

    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(one, ids, natives))
    return [grid for grid, _ in found], [values for _, values in found if values is not None]


def other_readings(maps: Sequence[FolderMap]) -> dict[str, NDArray[np.float32]]:
    """Logits (n, C, side, side) by the setting of each other reading that differs for some map."""
    settings = Counter(setting for one in maps for setting in one.others)
    return {setting: np.stack([one.others.get(setting, one.stated) for one in maps]) for setting in sorted(settings)}


def _folder_map(
    stored: NDArray[np.generic],
    values: StoredValues,
    name: str,
    reading: MapReading,
    native: tuple[int, int],
    classes: int,
    side: int,
) -> FolderMap:
    def decoded(settings: MapReading) -> NDArray[np.float32]:
        logits = turned(decode_array(stored, settings, classes, name), reading.orientation)
        return as_maps(logits, classes, settings.holds_logits).numpy()

    def fitted(logits: NDArray[np.float32], fit: Fit) -> NDArray[np.float32]:
        return reduced_map(logits if fit == "stretch" else unpadded(logits, native, fit), side)

    upright = decoded(reading)
    others: dict[str, NDArray[np.float32]] = {}
    height, width = upright.shape[-2:]
    same_ratio, larger = has_ratio_of(upright, native), height >= native[0] and width >= native[1]
    for fit in get_args(Fit):
        useless = (height, width) == native or not larger if fit.startswith(UNSCALED) else same_ratio
        if fit != reading.fit and not useless:
            others[f"fit: {fit}"] = fitted(upright, fit)
    if height == width and not same_ratio:
        others[MIDDLE] = _in_the_middle(upright, native, side)
    channels = classes
    if classes == 1:
        channels = len(planes_of(stored, name))
        used = 1 if reading.foreground is None else reading.foreground
        for channel in range(min(channels, MOST_CHANNELS)) if channels > 1 else ():
            if channel != used:
                settings = reading.model_copy(update={"foreground": channel})
                others[f"foreground: {channel}"] = fitted(decoded(settings), reading.fit)
    low, high, of_image = float(upright.min()), float(upright.max()), (height, width) == native
    return FolderMap(values, channels, low, high, of_image, fitted(upright, reading.fit), others)


def _in_the_middle(upright: NDArray[np.float32], native: tuple[int, int], side: int) -> NDArray[np.float32]:
    """Logits (C, side, side) of an image whose middle square has these maps (C, h, h)."""
    small = reduced_map(upright, side)
    placed = np.full_like(small, OUTSIDE)
    rows, columns = (max(1, round(side * min(native) / length)) for length in native)
    top, left = (side - rows) // 2, (side - columns) // 2
    # the nearest pixels do: a square is compared, not used
    chosen = np.ix_(np.arange(rows) * side // rows, np.arange(columns) * side // columns)
    placed[..., top : top + rows, left : left + columns] = small[..., chosen[0], chosen[1]]
    return placed
