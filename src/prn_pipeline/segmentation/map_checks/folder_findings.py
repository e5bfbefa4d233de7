"""What a comparison of a folder of maps with the true masks finds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_decoding import TOLERANCE
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.map_checks.findings import compared_with_others, hint_of_logarithms, of_channels
from prn_pipeline.segmentation.map_checks.fit import Truth
from prn_pipeline.segmentation.map_checks.folder_grids import MIDDLE, FolderMap, folder_maps, other_readings
from prn_pipeline.segmentation.map_checks.judgement import judged
from prn_pipeline.segmentation.map_checks.readings import Reading, as_stated, otherwise_turned
from prn_pipeline.segmentation.map_checks.stored_values import (
    Stated,
    StoredValues,
    is_certain,
    likely_scale,
    objection,
    scale_of,
    together,
)
from prn_pipeline.segmentation.map_checks.verdict import Finding

#: Neighbours in the order of names whose maps are tried in place of an image's own, by their distance.
NEIGHBOURS = (1, -1, 2, -2)
#: IoU from which maps cannot be those of other images.
GOOD = 0.6
#: Share of maps that differ from the others from which they are worth a warning.
SOME_UNLIKE = 0.05
#: Share of maps with one value at every pixel from which they are worth a warning.
MANY_EMPTY = 0.2


def of_folder(
    folder: MapFolder, samples: Samples, rows: NDArray[np.int64], truths: Sequence[Truth]
) -> Iterator[Finding]:
    """Findings about the maps of some images, the gravest of a kind first.

    Args:
        folder: of the maps.
        samples: one row per image.
        rows: images that are compared.
        truths: their true masks, one per class.
    """
    manifest, reading = samples.manifest.iloc[rows], folder.reading
    natives = list(zip(manifest["native_height"].astype(int), manifest["native_width"].astype(int), strict=True))
    side = truths[0].weight.shape[-1]
    found, values = folder_maps(folder, manifest["sample_id"].tolist(), natives, len(truths), side)
    what = f"{folder.place}: {len(values)} maps of images with foreground"
    readable = np.array([one is not None for one in found])
    kept = [one for one in found if one is not None]
    stated_values = Stated(reading.values, "values", reading.scale)
    channels = max((one.channels for one in kept), default=1)
    if values and (reason := objection(together(values), stated_values, channels)):
        yield Finding("far", f"{what}: {reason}{_mixed(values, stated_values)}")
    if not kept:
        return  # the import lists the maps that cannot be read
    empty = sum(one.low == one.high for one in values)
    if MANY_EMPTY * len(values) < empty < len(values):
        yield Finding("notable", f"{what}: {empty} of them have the same value at every pixel", misread=False)
    two = sum(one.listed is not None and len(one.listed) == 2 for one in values)
    if SOME_UNLIKE * len(values) <= two < len(values):
        yield Finding(
            "notable",
            f"{what}: {two} of them hold only two values, as masks do, but the others more. A refiner learns from how"
            " sure the model is: write probabilities for all of them",
        )
    of_size = sum(one.has_size_of_image for one in kept)
    if len(kept) / 2 <= of_size < len(kept) * (1 - SOME_UNLIKE):
        yield Finding(
            "notable",
            f"{what}: {of_size} of them have the size of their image, {len(kept) - of_size} have not. If these were"
            " padded, cut the padding off, or write all maps alike",
        )
    truths = [Truth(truth.foreground[readable], truth.weight[readable]) for truth in truths]
    maps = np.stack([one.stated for one in kept])
    stated = as_stated(maps, truths)
    others = list(_of_files(kept, truths))
    others += otherwise_turned(maps, truths, "orientation", reading.orientation)
    several = any(one.channels > 1 for one in kept) and len(truths) == 1
    others += [] if several else of_channels(maps, truths, reading, True)
    if stated.iou < GOOD:
        others += _of_neighbours(folder, samples, rows[readable], truths)
    names = manifest["sample_id"].to_numpy()[readable].tolist()
    yield from compared_with_others(what, stated, maps, truths, others, names)
    bounds = min(one.low for one in kept), max(one.high for one in kept)
    yield judged(what, stated, maps, bounds, truths, _hint(together(values), stated_values))


def _of_files(maps: Sequence[FolderMap], truths: Sequence[Truth]) -> Iterator[Reading]:
    """Other readings of the files: without padding, other channels."""
    for setting, logits in other_readings(maps).items():
        reading = as_stated(logits, truths)
        if setting == MIDDLE:
            yield reading._replace(
                words="as maps of the square in the middle of each image", remedy="Write maps of the whole images"
            )
        else:
            yield reading._replace(words=f"with `{setting}`", setting=f"`{setting}`")


def _of_neighbours(
    folder: MapFolder, samples: Samples, rows: NDArray[np.int64], truths: Sequence[Truth]
) -> Iterator[Reading]:
    """The maps of the next and last images in the order of names, in place of an image's own."""
    side = truths[0].weight.shape[-1]
    manifest = samples.manifest
    names = sorted(filter(folder.__contains__, manifest["sample_id"]), key=_natural)
    places = {name: place for place, name in enumerate(names)}
    of_rows = manifest["sample_id"].to_numpy()[rows]
    natives = manifest[["native_height", "native_width"]].astype(int).to_numpy()[rows]
    middle = len(of_rows) // 2
    for step in NEIGHBOURS:
        ids = [names[(places[name] + step) % len(names)] for name in of_rows]
        found, _ = folder_maps(folder, ids, [(int(h), int(w)) for h, w in natives], len(truths), side)
        if all(one is not None for one in found):
            maps = np.stack([one.stated for one in found if one is not None])
            yield as_stated(maps, truths)._replace(
                words=f"as those of other images: the map of {of_rows[middle]} lies under the name of"
                f" {ids[middle]}, and so on",
                remedy="Write each map under the name of its own image",
            )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame_2 before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _mixed(values: Sequence[StoredValues], stated: Stated) -> str:
    """Maps of different scales among the files; "" if all are alike."""
    low = sum(one.low >= -TOLERANCE and one.high <= 1 + TOLERANCE and one.kind == "f" for one in values)
    if stated.values != "probabilities" or stated.scale is not None or not 0 < low < len(values):
        return ""
    return f". But {low} of these maps stay within 0 .. 1: write all maps in the same scale"


def _hint(values: StoredValues, stated: Stated) -> tuple[str, bool]:
    """What may be wrong with maps that predict nothing anywhere, "" if nothing is known; and whether it is certain."""
    if scale := likely_scale(values, stated):
        return (
            f"Their highest value is {values.high:.4g}, but {scale_of(values, stated):.6g} is read as a probability of"
            f" 1: set `scale: {scale:.6g}`",
            is_certain(scale, values, stated),
        )
    return hint_of_logarithms(values.high, "write") if stated.values == "logits" else ("", False)
