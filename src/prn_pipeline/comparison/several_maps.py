"""Several models' maps of the same images: each model alone, and the mean of their logits, which needs no training."""

from __future__ import annotations

from functools import partial

from prn_pipeline.comparison.classes import by_image, from_class_logits
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned, from_logits
from prn_pipeline.comparison.rankseg import of_classes, of_foreground
from prn_pipeline.comparison.tuned_threshold import above_threshold, most_above_threshold

#: Name of the mean in `MapBatch.others` and among maps that thresholds are tuned on.
MEAN = "mean_maps"
#: Names of methods of one model's map are these and the map's label: `map_isnet_1024`, `tuned_map_isnet_1024`.
ALONE, ALONE_TUNED = "map_", "tuned_map_"


def _as_it_is(name: str, maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return from_logits(maps.others[name]) if name in maps.others else None


def _as_it_is_of_classes(name: str, maps: MapBatch, tuned: Tuned) -> Prediction | None:
    if name not in maps.others:
        return None
    return from_class_logits(by_image(maps.others[name], len(tuned.thresholds["base"])))


def _tuned(name: str, maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return above_threshold(maps.others[name], tuned.thresholds[name][0]) if name in maps.others else None


def _tuned_of_classes(name: str, maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return most_above_threshold(maps.others[name], tuned.thresholds[name]) if name in maps.others else None


def _rankseg(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return of_foreground(maps.others[MEAN]) if MEAN in maps.others else None


def _rankseg_of_classes(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return of_classes(maps.others[MEAN], len(tuned.thresholds["base"])) if MEAN in maps.others else None


def _method(name: str, label: str, short_label: str, map_name: str) -> ComparisonMethod:
    """A map as it is."""
    predict, of_several = partial(_as_it_is, map_name), partial(_as_it_is_of_classes, map_name)
    return ComparisonMethod(name, label, short_label, "baseline", predict, of_several)


def _tuned_method(name: str, label: str, short_label: str, map_name: str) -> ComparisonMethod:
    """A map under its best threshold."""
    predict, of_several = partial(_tuned, map_name), partial(_tuned_of_classes, map_name)
    return ComparisonMethod(name, label, short_label, "baseline", predict, of_several, tuned_on=map_name)


MEAN_MAPS = _method(MEAN, "Mean of all maps", "mean", MEAN)
MEAN_MAPS_TUNED = _tuned_method("mean_maps_tuned", "Mean of all maps with one tuned threshold", "mean tuned", MEAN)
MEAN_MAPS_RANKSEG = ComparisonMethod(
    "mean_maps_rankseg",
    "RankSEG on the mean of all maps",
    "mean RankSEG",
    "baseline",
    _rankseg,
    _rankseg_of_classes,
)


OF_THE_MEAN = {method.name: method for method in (MEAN_MAPS, MEAN_MAPS_TUNED, MEAN_MAPS_RANKSEG)}


def method_of_several_maps(name: str) -> ComparisonMethod | None:
    """The method that uses the mean, or the map of one further model, by its name; None if it is no such name."""
    if name in OF_THE_MEAN:
        return OF_THE_MEAN[name]
    if name.startswith(ALONE_TUNED):
        label = name.removeprefix(ALONE_TUNED)
        return _tuned_method(name, f"{label} with one tuned threshold", f"{label} tuned", f"{ALONE}{label}")
    if name.startswith(ALONE):
        label = name.removeprefix(ALONE)
        return _method(name, f"{label} alone", label, name)
    return None


def methods_of(maps: MapBatch) -> list[ComparisonMethod]:
    """The methods of each further model's map in a batch, and of the mean; none for one model."""
    labels = [name.removeprefix(ALONE) for name in maps.others if name != MEAN]
    names = [f"{kind}{label}" for label in labels for kind in (ALONE, ALONE_TUNED)]
    found = map(method_of_several_maps, [*names, *(OF_THE_MEAN if maps.others else ())])
    return [method for method in found if method is not None]


def order_among_them(name: str) -> tuple[int, str]:
    """A key that sorts names of these methods: further models by their labels, then the mean."""
    if name in OF_THE_MEAN:
        return 1, str(list(OF_THE_MEAN).index(name))
    return 0, f"{name.split('map_', 1)[1]} {name}"
