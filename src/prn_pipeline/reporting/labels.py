"""What reports call methods and stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.base_model import BASE_MODEL
from prn_pipeline.comparison.refined import REFINED

#: Keys of the two methods that every report is about.
BASE, REFINER = BASE_MODEL.name, REFINED.name


def refiner_label(run: Mapping[str, Any]) -> str:
    """The refiner's own name."""
    refiner = str(run.get("refiner", "prn"))
    return "PRN" if refiner == "prn" else refiner


def method_label(name: str, run: Mapping[str, Any]) -> str:
    """Label of a method of the scores JSON; the refiner goes by its own name.

    Args:
        name: key in the scores JSON; a name that the table of methods lacks keeps its words.
        run: dataset, base_model, refiner, seed.
    """
    if name in comparison.names("refined"):
        return refiner_label(run)
    return comparison.method(name).label if comparison.is_method(name) else name.replace("_", " ")


def label_or_name(name: str) -> str:
    """Label of a comparison method, or the name itself for a refiner."""
    return comparison.method(name).label if comparison.is_method(name) else name


def short_label_or_name(name: str) -> str:
    """Short label of a comparison method, for a figure with little room, or the name itself for a refiner."""
    return comparison.method(name).short_label if name in comparison.names() else name


def in_sentence(label: str) -> str:
    """A label inside a sentence: "Base model" -> "base model", while "RankSEG" and "TTA (flips)" stay."""
    return label[:1].lower() + label[1:] if label.split(" ", maxsplit=1)[0].istitle() else label


def stage_label(stage: str) -> str:
    """A stage's name as a title: prn_training -> PRN training."""
    words = stage.replace("_", " ").replace("prn", "PRN")
    return words[:1].upper() + words[1:]
