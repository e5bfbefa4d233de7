"""Compares maps of a base model with the true masks of some images, and stops a run whose maps mean another thing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.fit import Truth
from prn_pipeline.segmentation.map_checks.folder_grids import folder_maps, other_readings
from prn_pipeline.segmentation.map_checks.judgement import judged
from prn_pipeline.segmentation.map_checks.readings import (
    Reading,
    as_stated,
    inverted,
    other_classes,
    otherwise_turned,
)
from prn_pipeline.segmentation.map_checks.sampling import compared_rows, reduced_map, reduced_truth
from prn_pipeline.segmentation.map_checks.seen_images import warn_of_seen_images
from prn_pipeline.segmentation.map_checks.stored_values import (
    NEAR,
    Stated,
    StoredValues,
    likely_scale,
    objection,
    scale_of,
    together,
)
from prn_pipeline.segmentation.map_checks.verdict import Finding, contradiction
from prn_pipeline.segmentation.protocol import DatasetPlace, MapCache, MapSource

logger = logging.getLogger(__name__)

#: Images that are compared: of maps of foreground on disk; and of others, each of whose maps takes a forward pass, or
#: comparisons with every class.
MOST_IMAGES, FEWER_IMAGES = 32, 16


def check_maps(source: MapSource, cache: MapCache, samples: Samples, place: DatasetPlace) -> None:
    """Compare maps with the truth, before any is stored.

    Up to 32 images with foreground, of which none is of split test if there are others, at up to 256 pixels a side. The
    maps are also read inverted, turned, without padding, and with other channels. A model that was trained here cannot
    be misread, so that it is only judged by whether its maps say anything. Of any other model, maps of train that are
    far better than those of val are named, because it may have learned from train.

    Args:
        source: base model; its setting `check` says whether a contradiction is an error, a warning, or not looked for.
        cache: planned maps of all samples.
        samples: one row per image, with masks.
        place: location of the data set.

    Raises:
        UserError: with `check: refuse`, the values are not what the settings say, another reading of the maps fits the
            truth far better, or the maps say nothing about it.
    """
    trained_here = source.settings.trained_here
    check = "warn" if trained_here else getattr(source.settings, "check", "refuse")
    if check == "skip":
        return
    folder = source.map_folder(place)
    classes = len(cache.manifest) // len(samples.manifest)
    most = MOST_IMAGES if folder is not None and classes == 1 else FEWER_IMAGES
    rows = compared_rows(samples.manifest, cache.manifest, most)
    if not len(rows):
        logger.warning("the maps are not compared with the truth: no image with a map has foreground")
        return
    truths = reduced_truth(samples, rows, classes)
    found = _of_network(source, cache, rows, truths) if folder is None else _of_folder(folder, samples, rows, truths)
    for finding in found:
        if finding.verdict == "far" and check == "refuse":
            raise UserError(f"{finding.text}. (`check: warn` of the base model goes on in spite of this.)")
        if finding.verdict is None:
            logger.info(finding.text)
        else:
            logger.warning(finding.text)
    warn_of_seen_images(source, cache, samples, most)


def _of_network(
    source: MapSource, cache: MapCache, rows: NDArray[np.int64], truths: Sequence[Truth]
) -> Iterator[Finding]:
    classes = len(truths)
    side = truths[0].weight.shape[-1]
    wanted = (rows[:, None] * classes + np.arange(classes)).ravel()
    logits = np.concatenate([batch["logits"] for batch in (cache.probe or cache.make)(wanted)]).astype(np.float32)
    maps = np.stack([reduced_map(one, side) for one in logits.reshape(len(rows), classes, *logits.shape[1:])])
    stated = as_stated(maps, truths)
    what = f"the base model's maps of {len(rows)} images"
    if not source.settings.trained_here:
        has_channels = hasattr(source.settings, "foreground")
        others = [*otherwise_turned(maps, truths, None), *_of_channels(maps, truths, source.settings, has_channels)]
        if found := contradiction(what, stated, others):
            yield found
    yield judged(what, stated, maps, (float(logits.min()), float(logits.max())), truths)


def _of_folder(
    folder: MapFolder, samples: Samples, rows: NDArray[np.int64], truths: Sequence[Truth]
) -> Iterator[Finding]:
    manifest, reading = samples.manifest.iloc[rows], folder.reading
    natives = list(zip(manifest["native_height"].astype(int), manifest["native_width"].astype(int), strict=True))
    side = truths[0].weight.shape[-1]
    found, values = folder_maps(folder, manifest["sample_id"].tolist(), natives, len(truths), side)
    what = f"{folder.place}: {len(values)} maps of images with foreground"
    readable = np.array([one is not None for one in found])
    kept = [one for one in found if one is not None]
    stated_values = Stated(reading.values, "values", reading.scale)
    if values and (
        reason := objection(together(values), stated_values, max((one.channels for one in kept), default=1))
    ):
        yield Finding("far", f"{what}: {reason}")
    if not kept:
        return  # the import lists the maps that cannot be read
    truths = [Truth(truth.foreground[readable], truth.weight[readable]) for truth in truths]
    maps = np.stack([one.stated for one in kept])
    stated = as_stated(maps, truths)
    others = [
        as_stated(logits, truths)._replace(words=f"with `{setting}`", setting=f"`{setting}`")
        for setting, logits in other_readings(kept).items()
    ]
    if reading.orientation == "upright":
        others += otherwise_turned(maps, truths, "orientation")
    several = any(one.channels > 1 for one in kept) and len(truths) == 1
    others += [] if several else _of_channels(maps, truths, reading, True)
    if contradicted := contradiction(what, stated, others):
        yield contradicted
    bounds = min(one.low for one in kept), max(one.high for one in kept)
    yield judged(what, stated, maps, bounds, truths, _hint(together(values), stated_values))


def _hint(values: StoredValues, stated: Stated) -> str:
    """What may be wrong with maps that predict nothing anywhere; "" if nothing is known."""
    if scale := likely_scale(values, stated):
        return (
            f"Their highest value is {values.high:.4g}, but {scale_of(values, stated):.4g} is read as a probability of"
            f" 1: set `scale: {scale:.6g}`"
        )
    if stated.values == "logits" and -NEAR < values.high <= 0:
        return "If they are logarithms of probabilities, write the probabilities instead"
    return ""


def _of_channels(
    maps: NDArray[np.float32], truths: Sequence[Truth], settings: object, has_setting: bool
) -> list[Reading]:
    """The map as that of the background, or the maps of classes in another order."""
    if len(truths) > 1:
        if getattr(settings, "class_channels", None) is not None:
            return []
        reading = other_classes(maps, truths)
        return [reading if has_setting else reading._replace(setting=None)]
    channel = 1 if getattr(settings, "foreground", None) == 0 else 0
    return [inverted(maps, truths[0], f"`foreground: {channel}`" if has_setting else None)]
