"""The table of refiners against a longer training agrees with the scores."""

from typing import Any

from benchmarks.longer_training import against_longer


def run(dataset: str, refiner: str, refined: float) -> dict[str, Any]:
    """A run whose best free method has an IoU of .62."""
    return {
        **{"dataset": dataset, "base_model": "unet", "seed": 0, "refiner": refiner},
        "methods": {"tta": {"iou_micro": 0.62}, "refined": {"iou_micro": refined}},
        "gain": {"vs_best_free": {"method": "tta"}},
    }


def test_refiners_and_the_best_free_method_are_compared_where_the_longer_training_was_run() -> None:
    longer = [run(name, "train_longer", 0.61) for name in ("roads", "cells", "rust")]
    refiners = [run("roads", "prn", 0.609), run("cells", "prn", 0.60), run("rust", "prn", 0.65)]
    elsewhere = run("eyes", "prn", 0.1)
    lines = against_longer([*longer, *refiners, run("roads", "trees", 0.6), elsewhere]).splitlines()
    assert lines[2:] == [
        "| the best free method | 3 of 3 | +1.0 [1.0, 1.0] |  |",
        "| `prn` | 2 of 3 | \N{MINUS SIGN}0.1 [\N{MINUS SIGN}1.0, 4.0] | so far met |",
        "| `trees` | 0 of 1 | \N{MINUS SIGN}1.0 [\N{MINUS SIGN}1.0, \N{MINUS SIGN}1.0] | so far **missed** |",
    ]


def test_nothing_is_shown_without_a_longer_training() -> None:
    assert against_longer([run("roads", "prn", 0.6)]) == ""
