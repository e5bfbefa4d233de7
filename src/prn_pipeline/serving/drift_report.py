"""Whether the images of a folder look like those that the refiner learned from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.metrics.descriptions import names_of
from prn_pipeline.metrics.drift import Distance, distances
from prn_pipeline.serving.journal import Journal, from_json
from prn_pipeline.serving.predictor import Predictor

FILE = "drift.json"
#: So many images are compared, drawn evenly where there are more.
MOST = 1000


class DriftReport(NamedTuple):
    """What there is to say.

    Attributes:
        images: how many were compared.
        distances: from training, in every respect.
        told: names of those that are beyond what chance does, and large.
        silence: why nothing can be said; empty where something is.
    """

    images: int
    distances: list[Distance]
    told: list[str]
    silence: str


def drift_report(predictor: Predictor, journal: Journal, names: Iterable[str]) -> DriftReport:
    """Compare all refined images of a folder with the predictor's reference.

    Args:
        predictor: that refined them.
        journal: of what was refined.
        names: of the images that are in the folder now; what the journal knows of others does not count.
    """
    known = [journal.entries[name] for name in sorted(set(names) & set(journal.entries))]
    entries = [entry["description"] for entry in known if "description" in entry]
    settings = predictor.settings.drift
    if predictor.reference is None:
        return DriftReport(len(entries), [], [], "the predictor was saved without statistics of its training")
    if len(entries) < settings.images:
        return DriftReport(len(entries), [], [], f"{len(entries)} images are too few, {settings.images} are needed")
    chosen = np.linspace(0, len(entries) - 1, min(MOST, len(entries))).astype(int)
    found = from_json([entries[place] for place in chosen])
    apart = distances(predictor.reference, found, names_of(predictor.settings.classes))
    least = settings.level / len(apart)
    told = [one.name for one in apart if one.p <= least and one.distance >= settings.least]
    return DriftReport(len(chosen), apart, told, "")


def write_report(folder: Path, report: DriftReport) -> None:
    """As `FILE` in the folder of results."""
    content = report._asdict() | {"distances": [distance._asdict() for distance in report.distances]}
    with atomic_write(folder / FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
