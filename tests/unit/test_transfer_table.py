"""The table of refiners on another base model agrees with what was measured."""

from typing import Any

from benchmarks.transfer import section
from prn_pipeline.metrics.bootstrap import Gain


def gain(points: float) -> Gain:
    return {"iou_micro": points / 100, "ci95": [points / 100 - 0.01, points / 100 + 0.01], "p": 0.5}


def run(base_model: str) -> dict[str, Any]:
    gains = {"vs_base": {"iou_micro": 0.03}, "vs_best_free": {"iou_micro": -0.005, "method": "tta"}}
    return {"dataset": "d", "base_model": base_model, "gain": gains}


MEASURED = {
    f"d/{refiner}/{trained_on}/{used_on}": gain(points)
    for refiner, trained_on, used_on, points in (
        ("prn", "a", "a", 1.0),
        ("prn", "b", "a", 2.0),
        ("trees", "a", "a", 3.0),
        ("trees", "b", "a", -4.0),
    )
}


def test_a_row_has_the_best_free_method_and_both_refiners_trained_here_and_there() -> None:
    _, _, *rows = section(MEASURED, [run("a"), run("a"), run("b")], ["a", "b"]).splitlines()
    gains = "+1.0 [+0.0, +2.0] | +2.0 [+1.0, +3.0] | +3.0 [+2.0, +4.0] | -4.0 [-5.0, -3.0]"
    assert rows == [f"| `d` | `a` | `b` | +3.5 TTA | {gains} |"]


def test_nothing_measured_is_said() -> None:
    assert section({}, [run("a"), run("b")], ["a", "b"]) == "Not measured yet."
