"""Compares maps of a base model with the true masks of some images, and stops a run whose maps mean another thing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.folder_findings import of_folder
from prn_pipeline.segmentation.map_checks.network_findings import of_network
from prn_pipeline.segmentation.map_checks.sampling import compared_rows, reduced_truth
from prn_pipeline.segmentation.map_checks.seen_images import warn_of_seen_images
from prn_pipeline.segmentation.map_checks.verdict import Finding
from prn_pipeline.segmentation.map_files import MapFiles
from prn_pipeline.segmentation.protocol import DatasetPlace, MapCache, MapSource
from prn_pipeline.segmentation.shared_settings import Check

logger = logging.getLogger(__name__)

#: Images that are compared: of maps of foreground on disk; and of others, each of whose maps takes a forward pass, or
#: comparisons with every class.
MOST_IMAGES, FEWER_IMAGES = 64, 16


class MapWarnings(NamedTuple):
    """What a comparison found that did not stop the run.

    Attributes:
        sentences: the warnings, or why there was no comparison. Files are named from the folder of all data sets on,
            because scores and reports leave this machine.
        doubted: whether one of them may mean that maps are misread, which makes gains of mistakes.
    """

    sentences: list[str]
    doubted: bool


SKIPPED = MapWarnings(["The base model's maps were not compared with the true masks (`check: skip`)."], False)
NOTHING_TO_COMPARE = "the maps are not compared with the truth: no image with a map has foreground"


def check_maps(source: MapSource, cache: MapCache, samples: Samples, place: DatasetPlace) -> MapWarnings:
    """Compare maps with the truth, before any is stored.

    Up to 64 images with foreground, of which none is of split test if there are others, at up to 256 pixels a side. The
    maps are also read inverted, turned, without padding, and with other channels. A model that was trained here cannot
    be misread, so that it is only judged by whether its maps say anything. Of any other model, maps of train that are
    far better than those of val are named, because it may have learned from train.

    Args:
        source: base model; its setting `check` says whether a contradiction is an error, a warning, or not looked for.
        cache: planned maps of all samples.
        samples: one row per image, with masks.
        place: location of the data set.

    Returns:
        The warnings about the maps, which are logged too, or that nobody has compared them. Maps of a model that was
        trained here are never doubted.

    Raises:
        UserError: with `check: refuse`, the values are not what the settings say, another reading of the maps fits the
            truth far better, or the maps say nothing about it.
    """
    trained_here = source.settings.trained_here
    check: Check = "warn" if trained_here else getattr(source.settings, "check", "refuse")
    if check == "skip":
        return SKIPPED
    folders = source.map_stack(place).folders if isinstance(source, MapFiles) else _folder_of(source, place)
    classes = len(cache.manifest) // len(samples.manifest)
    most = MOST_IMAGES if folders and classes == 1 else FEWER_IMAGES
    rows = compared_rows(samples.manifest, cache.manifest, most)
    if not len(rows):
        logger.warning(NOTHING_TO_COMPARE)
        return MapWarnings([f"{NOTHING_TO_COMPARE}."], False)
    truths = reduced_truth(samples, rows, classes)
    warnings = [] if folders else _report(of_network(source, cache, samples, rows, truths), check)
    for folder in folders:
        warnings += _report(of_folder(folder, samples, rows, truths), check, of_several=len(folders) > 1)
    warn_of_seen_images(source, cache, samples, most)
    doubted = any(finding.misread for finding in warnings) and not trained_here
    return MapWarnings([f"{finding.text}.".replace(f"{place.data_root}/", "") for finding in warnings], doubted)


def _folder_of(source: MapSource, place: DatasetPlace) -> tuple[MapFolder, ...]:
    folder = source.map_folder(place)
    return () if folder is None else (folder,)


def _report(found: Iterator[Finding], check: Check, of_several: bool = False) -> list[Finding]:
    """Raise the first finding that stops the run, log the others, and return the warnings among them."""
    warnings: list[Finding] = []
    which = ", in the block of these maps" if of_several else ""
    for finding in found:
        if finding.verdict == "far" and check == "refuse":
            raise UserError(f"{finding.text}{which}. (`check: warn` of the base model goes on in spite of this.)")
        if finding.verdict is None:
            logger.info(finding.text)
        else:
            warning = finding._replace(text=f"{finding.text}{which}")
            logger.warning(warning.text)
            warnings.append(warning)
    return warnings
