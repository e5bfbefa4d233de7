"""The report of a retraining says on what each promotion decision rests."""

from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.retraining import retrain
from prn_pipeline.retraining.report import Report, RunReport

NAMES = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
COMPARED = {
    "images": 120,
    "units": 24,
    "unit": "group",
    "look": 3,
    "alpha": 0.0037,
    "margin": 0.005,
    "gain": {"iou_micro": 0.02, "ci95": [0.01, 0.03], "p": 0.001},
    "lower_bound": 0.006,
}


def reported(monkeypatch: pytest.MonkeyPatch, decision: dict[str, Any]) -> tuple[RunReport, list[str]]:
    """Report and printed lines of a run whose promotion decides so."""
    printed: list[str] = []
    monkeypatch.setattr(retrain, "promote", lambda names, project: decision)
    return retrain._promote(NAMES, Path(), ["evaluation"], printed.append), printed


@pytest.mark.parametrize(("promoted", "outcome"), [(True, "promoted"), (False, "kept")])
def test_a_comparison_is_reported_with_its_numbers(
    monkeypatch: pytest.MonkeyPatch, promoted: bool, outcome: str
) -> None:
    decision = COMPARED | {"outcome": outcome, "promoted": promoted, "why": "+2 points", "slices": [], "left_out": 0}
    report, printed = reported(monkeypatch, decision)
    assert (report.outcome, report.why, report.comparison) == (outcome, "+2 points", COMPARED)
    expected = "promoted" if promoted else "the champion is kept"
    assert printed == [f"roads/unet/prn/seed-0: {expected}: +2 points"]


def test_a_refused_first_champion_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    refused, printed = reported(monkeypatch, {"outcome": "refused", "promoted": False, "why": "its IoU is 0"})
    assert (refused.outcome, refused.comparison) == ("refused", None)
    assert printed == ["roads/unet/prn/seed-0: refused: its IoU is 0"]
    assert Report(runs=[refused]).line == "1 run: 1 retrained, 0 promoted, 0 kept, 0 failed, 1 refused"
