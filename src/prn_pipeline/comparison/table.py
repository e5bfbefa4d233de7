"""The one table of comparison methods, in the order of every report."""

from __future__ import annotations

from collections.abc import Iterable

from prn_pipeline.comparison.base_model import BASE_MODEL
from prn_pipeline.comparison.method import ComparisonMethod, Kind, MapBatch, Prediction, Tuned
from prn_pipeline.comparison.patch_oracle import PATCH_ORACLE
from prn_pipeline.comparison.rankseg import RANKSEG
from prn_pipeline.comparison.refined import REFINED
from prn_pipeline.comparison.tta import TTA, TTA_TUNED
from prn_pipeline.comparison.tuned_threshold import TUNED_THRESHOLD

METHODS: list[ComparisonMethod] = [BASE_MODEL, TUNED_THRESHOLD, RANKSEG, TTA, TTA_TUNED, REFINED, PATCH_ORACLE]


def names(*kinds: Kind) -> list[str]:
    """Names of the methods of these kinds, in order; of all where none is named."""
    return [method.name for method in METHODS if not kinds or method.kind in kinds]


def method(name: str) -> ComparisonMethod:
    """The method of a name.

    Raises:
        KeyError: there is none.
    """
    return {one.name: one for one in METHODS}[name]


def in_order(found: Iterable[str]) -> list[str]:
    """The names that the table knows, in its order, and then the others in theirs."""
    found = list(found)
    known = [name for name in names() if name in found]
    return [*known, *(name for name in found if name not in known)]


def predictions(maps: MapBatch, tuned: Tuned, classes: int = 1) -> dict[str, Prediction]:
    """Every method that has an answer for a batch, by name.

    Args:
        maps: of whole images.
        tuned: what was chosen before.
        classes: maps per image; 1 for foreground alone.
    """
    found = {}
    for one in METHODS:
        predict = one.predict if classes == 1 else one.predict_classes
        if predict is not None and (prediction := predict(maps, tuned)) is not None:
            found[one.name] = prediction
    return found
