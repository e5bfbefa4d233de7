"""The one table of comparison methods, in the order of every report.

Methods import PyTorch when they predict: reports and the leaderboard only need names and labels.
"""

from __future__ import annotations

from collections.abc import Iterable

from prn_pipeline.comparison.base_model import BASE_MODEL
from prn_pipeline.comparison.components import COMPONENTS, COMPONENTS_TUNED
from prn_pipeline.comparison.method import ComparisonMethod, Kind, MapBatch, Prediction, Tuned
from prn_pipeline.comparison.patch_oracle import PATCH_ORACLE
from prn_pipeline.comparison.rankseg import RANKSEG
from prn_pipeline.comparison.refined import REFINED
from prn_pipeline.comparison.several_maps import method_of_several_maps, methods_of, order_among_them
from prn_pipeline.comparison.tta import TTA, TTA_TUNED
from prn_pipeline.comparison.tta_rankseg import TTA_RANKSEG
from prn_pipeline.comparison.tta_scales import TTA_SCALES, TTA_SCALES_TUNED
from prn_pipeline.comparison.tuned_threshold import TUNED_THRESHOLD

METHODS: list[ComparisonMethod] = [
    BASE_MODEL,
    TUNED_THRESHOLD,
    RANKSEG,
    COMPONENTS,
    COMPONENTS_TUNED,
    TTA,
    TTA_TUNED,
    TTA_RANKSEG,
    TTA_SCALES,
    TTA_SCALES_TUNED,
    REFINED,
    PATCH_ORACLE,
]


def names(*kinds: Kind) -> list[str]:
    """Names of the methods of these kinds, in the order of the table; without arguments, of all methods."""
    return [method.name for method in METHODS if not kinds or method.kind in kinds]


def method(name: str) -> ComparisonMethod:
    """The method with this name: one of the table, or of several models' maps.

    Raises:
        KeyError: no method has this name.
    """
    listed = {known.name: known for known in METHODS}
    return listed[name] if name in listed else method_of_several_maps(name) or listed[name]


def is_method(name: str) -> bool:
    """Whether a method has this name."""
    return name in names() or method_of_several_maps(name) is not None


def in_order(found: Iterable[str]) -> list[str]:
    """The names of methods first, in the order of the table; then all others, in the order given.

    Methods of several models' maps, which the table does not list, come before the refiner.
    """
    found = list(found)
    several = [name for name in found if name not in names() and method_of_several_maps(name)]
    known = [name for name in names() if name in found]
    place = next((place for place, name in enumerate(known) if name in names("refined", "bound")), len(known))
    known[place:place] = sorted(several, key=order_among_them)
    return [*known, *(name for name in found if name not in known)]


def without_training(found: Iterable[str]) -> list[str]:
    """The methods among the names that need no training, the base model included, in order."""
    return [name for name in in_order(found) if is_method(name) and method(name).kind in ("base", "baseline")]


def predictions(maps: MapBatch, tuned: Tuned, classes: int = 1) -> dict[str, Prediction]:
    """Predictions for a batch by method name, without methods that lack an input or a multi-class form.

    Args:
        maps: maps of whole images.
        tuned: thresholds and patch size.
        classes: maps per image; 1 for foreground.
    """
    found = {}
    for known in (*METHODS, *methods_of(maps)):
        predict = known.predict if classes == 1 else known.predict_classes
        if predict is not None and (prediction := predict(maps, tuned)) is not None:
            found[known.name] = prediction
    return found
