"""Drift: do the images of a folder and their maps look like those that the refiner learned from?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import counted
from prn_pipeline.metrics.descriptions import names_of
from prn_pipeline.metrics.drift import Distance, distances, significant
from prn_pipeline.serving.journal import Journal, from_json
from prn_pipeline.serving.predictor import Predictor

FILE = "drift.json"
#: Largest number of images that are compared; from larger folders, evenly spaced ones.
MAX_IMAGES = 1000


class DriftReport(NamedTuple):
    """The result of a drift check.

    Attributes:
        images: number of images that were compared.
        distances: distance to the training data in each statistic.
        drifted: names of the statistics whose distance is significant and large.
        reason: why no check was possible; "" if it was.
    """

    images: int
    distances: list[Distance]
    drifted: list[str]
    reason: str


def drift_report(predictor: Predictor, journal: Journal, names: Iterable[str]) -> DriftReport:
    """Compare the refined images of a folder with the predictor's reference.

    Args:
        predictor: predictor that refined them.
        journal: journal of the folder of results.
        names: names of the images that are in the folder now; entries of others are ignored.
    """
    known = sorted(set(names) & set(journal.entries))
    described = [name for name in known if "description" in journal.entries[name]]
    images, settings = len(described), predictor.settings.drift
    if predictor.reference is None:
        return DriftReport(images, [], [], "the predictor was saved without statistics of its training")
    if images < settings.images:
        return DriftReport(
            images, [], [], f"{counted(images, 'image is', 'images are')} too few, {settings.images} are needed"
        )
    chosen = np.linspace(0, images - 1, min(MAX_IMAGES, images)).astype(int)
    found = from_json([journal.entries[described[index]]["description"] for index in chosen])
    for described_by, remedy in (
        (predictor.reference, "run evaluation and promotion again"),
        (found, "refine with --overwrite"),
    ):
        if not np.isfinite(described_by.corrections).all():  # of images narrower than eight pixels, by version 0.2.0
            return DriftReport(images, [], [], f"statistics of an earlier version are not finite: {remedy}")
    compared = distances(predictor.reference, found, names_of(predictor.settings.classes), settings.level)
    drifted = [distance.name for distance in significant(compared, settings.level, settings.least)]
    return DriftReport(len(chosen), compared, drifted, "")


def write_report(folder: Path, report: DriftReport) -> None:
    """Write the report as `FILE` into the folder of results."""
    content = report._asdict() | {"distances": [distance._asdict() for distance in report.distances]}
    with atomic_write(folder / FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
