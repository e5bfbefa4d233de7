"""Summaries of data sets that the report could not show are refused where they are read."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.data.summary_file import read_summary
from prn_pipeline.errors import UserError
from prn_pipeline.reporting.data_section import data_section

SPLIT = {"images": 4, "groups": 4, "without_foreground": 0, "foreground": {"mean": 0.2, "low": 0.1, "high": 0.3}}
SUMMARY: dict[str, Any] = {
    **{"schema": 1, "dataset": "drive", "samples": 4, "video": False, "splits": {"test": SPLIT}},
    "files": {
        "found": {"images": 5},
        "used": {"images": 4},
        "left_out": [{"kind": "images", "reason": "in no split", "count": 1, "examples": ["a.png"]}],
    },
    "images": {
        **{"sizes": [[64, 32, 4]], "distinct_sizes": 1, "smallest": [64, 32], "largest": [64, 32]},
        **{"kinds": {"8-bit RGB": 4}, "low": 0, "high": 255.0, "turned": 0},
    },
    "masks": {"values": [{"value": 0, "files": 4}], "distinct_values": 1, "low": 0, "high": 0, "turned": 0},
    "groups": {"given": False, "count": 4, "smallest": 1, "largest": 1, "name_of_largest": "a"},
    "duplicates": {"identical_images": 0, "near_across_splits": 2, "examples": [["a", "test", "b", "train", 0.99]]},
}
SHOWN = [
    f"{block}.{key}" if key else block
    for block, value in SUMMARY.items()
    for key in ["", *(value if isinstance(value, dict) and block != "splits" else ())]
]


def written(root: Path, changes: dict[str, Any]) -> Path:
    summary = copy.deepcopy(SUMMARY)
    for place, value in changes.items():
        *way, last = place.split(".")
        block = summary
        for key in way:
            block = block[key]
        block.pop(last)
        block |= {} if value is None else {last: value}
    file = root / "data/08_reporting/drive/dataset.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(summary))
    return file


def test_a_sound_summary_is_read_and_shown(tmp_path: Path) -> None:
    found = read_summary(written(tmp_path, {}))
    assert found == SUMMARY
    assert data_section(found, []) is not None


@pytest.mark.parametrize("place", SHOWN)
@pytest.mark.parametrize("value", [None, "other"], ids=["absent", "text"])
def test_a_summary_without_what_the_report_shows_names_the_command(tmp_path: Path, place: str, value: Any) -> None:
    if value is not None and place in ("dataset", "groups.name_of_largest"):
        value = 3
    again = "run the pipeline ingestion again: kedro run --pipelines ingestion --params dataset=drive"
    with pytest.raises(UserError, match=rf"dataset.json has .*{place.rsplit('.', maxsplit=1)[-1]}.*: {again}"):
        read_summary(written(tmp_path, {place: value}))
