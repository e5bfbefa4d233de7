"""The totals of a plan, with and without estimates."""

import pytest

from prn_pipeline.sweep.plan import PlannedStage
from prn_pipeline.sweep.plan_table import totals

NAMES = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}


def planned(seconds: float | None) -> PlannedStage:
    return PlannedStage("evaluation", NAMES, "", seconds, None if seconds is None else 2**21, exact=True)


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        ([None], ["1 stage of 1 run;", "no estimate"]),
        ([60.0, 30.0], ["2 stages of 1 run: about 1 min 30 s", "4 MiB"]),
        ([60.0, None], ["about 1 min 00 s", "1 stage without an estimate"]),
    ],
)
def test_totals_are_sums_of_the_known_estimates(seconds: list[float | None], parts: list[str]) -> None:
    text = totals([planned(value) for value in seconds])
    assert all(part in text for part in parts), text
    assert "0.0 s" not in text


def test_unknown_sizes_are_not_counted_as_zero() -> None:
    unknown = PlannedStage("evaluation", NAMES, "", 60.0, None, exact=False)
    assert "and an unknown amount of new files" in totals([unknown])
    assert "2 MiB of new files (1 stage of unknown size not included)" in totals([unknown, planned(60.0)])
