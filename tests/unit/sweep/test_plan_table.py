"""A plan says how much there is to do, and how much of it nobody knows."""

import pytest

from prn_pipeline.sweep.plan import PlannedStage
from prn_pipeline.sweep.plan_table import totals

CELL = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}


def planned(seconds: float | None) -> PlannedStage:
    return PlannedStage("evaluation", CELL, "", seconds, None if seconds is None else 2**21, exact=True)


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        ([None], ["1 stage of 1 run;", "not known"]),
        ([60.0, 30.0], ["2 stages of 1 run, about 1 min 30 s", "4 MiB"]),
        ([60.0, None], ["about 1 min 00 s", "1 of them without an estimate"]),
    ],
)
def test_totals_add_up_what_is_known(seconds: list[float | None], parts: list[str]) -> None:
    told = totals([planned(value) for value in seconds])
    assert all(part in told for part in parts), told
    assert "0.0 s" not in told


def test_files_of_unknown_size_are_not_called_nothing() -> None:
    nameless = PlannedStage("evaluation", CELL, "", 60.0, None, exact=False)
    assert "and new files of unknown size" in totals([nameless])
    assert "2 MiB of new files, and those of 1 more whose size is not known" in totals([nameless, planned(60.0)])
