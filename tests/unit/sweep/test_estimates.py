"""A damaged record of what a stage has cost stops neither a plan nor an evaluation."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.sweep.estimates import Estimates
from prn_pipeline.tracking.stage_costs import spent_so_far

NAMES = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}
COST = {"seconds": 3.5, "memory_mib": 100}


def record(project: Path, dataset: str, content: Any) -> None:
    file = project / f"data/08_reporting/{dataset}/unet/prn/seed-0/stage_costs.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    "damaged", ["", "{", "[1]", {"evaluation": 3}, {"evaluation": {}}, {"evaluation": {"seconds": "x"}}]
)
def test_a_damaged_record_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: Any
) -> None:
    record(tmp_path, "roads", damaged)
    record(tmp_path, "drive", {"evaluation": COST, "another program's": 3})
    with caplog.at_level(logging.WARNING, logger="prn_pipeline"):
        found = Estimates(tmp_path)
    assert found.of("evaluation", NAMES) == (3.5, None, True)
    assert found.of("evaluation", NAMES | {"dataset": "roads"}) == (3.5, None, False)
    assert "roads/unet/prn/seed-0/stage_costs.json" in caplog.text


def test_costs_that_are_unknown_are_no_part_of_the_scores() -> None:
    costs: Any = {"ingestion": COST, "evaluation": 3, "prn_training": {"seconds": 1.0}, "reporting": COST}
    assert spent_so_far(costs) == {"seconds": {"ingestion": 3.5, "prn_training": 1.0}, "memory_mib": {"ingestion": 100}}
