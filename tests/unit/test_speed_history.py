"""The history of measured ratios: what is recorded, what is judged, and the page made of it."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from benchmarks.__main__ import ratios
from benchmarks.bench_check import judge
from benchmarks.history import Circumstances, Entry, append, circumstances, entries, read, runs
from benchmarks.machine import kind_of_processor
from benchmarks.report import Column, Table
from benchmarks.speed_figure import draw
from benchmarks.speed_page import MARK, PAGE, PICTURE, section

QUIET = Entry("abc", False, "2026-01-01", "abacus", 0.2, "network/loop/inference", 4.0, 6)


def on(day: int, ratio: float, **changes: object) -> Entry:
    """The same ratio, measured on another day."""
    return replace(QUIET, date=f"2026-01-{day:02}", ratio=ratio, **changes)  # type: ignore[arg-type]


def test_every_row_with_a_ratio_is_an_entry_that_is_read_as_it_was_written(tmp_path: Path) -> None:
    of = Circumstances("abc", False, "2026-01-01", "abacus", 0.2)
    columns = (Column("what", "what"), Column("ratio", "ratio", ".1f"))
    rows = [{"what": "inference", "ratio": 4.0, "goal": 6}, {"what": "training"}, {"what": "labels", "ratio": 2.5}]
    tables = [Table("loop", "", columns, rows, ratio="ratio", named_by=("what",)), Table("none", "", columns, rows)]
    found = list(entries(of, {"network": tables}))
    assert found == [QUIET, replace(QUIET, name="network/loop/labels", ratio=2.5, goal=None)]
    file = tmp_path / "history.jsonl"
    append(found[:1], file)
    append(found[1:], file)
    assert read(file) == found
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == [one.name for one in found]
    assert [table.runs(row) for table in [ratios(found)] for row in table.rows] == [
        ["network/loop/inference", "4", "6", "no"],
        ["network/loop/labels", "2.5", "", ""],
    ]


def test_a_missing_history_is_empty_and_a_run_states_its_circumstances(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == []
    of = circumstances("2026-01-01", "abacus")
    assert of.load >= 0
    assert len(of.commit) == 40 or of.commit == "none"


def test_a_ratio_15_percent_below_the_median_of_earlier_runs_fails_with_both_numbers() -> None:
    history = [on(1, 3.0), on(2, 4.0), on(3, 9.0)]
    sentences, failed = judge([*history, on(4, 3.4)])
    assert failed
    assert sentences == [
        "network/loop/inference is 18% slower: the ratio is 3.4 now and was 4 before (median of 3 on abacus); 15% are"
        " allowed."
    ]
    assert not judge([*history, on(4, 3.5)])[1]
    assert not judge([*history, on(4, 40.0)])[1]


@pytest.mark.parametrize(
    ("changes", "why"), [({"dirty": True}, "not committed"), ({"load": 1.2}, "busy (load average 1.2)")]
)
def test_a_run_of_changed_code_or_on_a_busy_machine_is_neither_judged_nor_compared_with(
    changes: dict[str, object], why: str
) -> None:
    (sentence,), failed = judge([on(1, 4.0), on(2, 1.0, **changes)])
    assert not failed
    assert "not judged" in sentence
    assert why in sentence
    assert judge([on(1, 4.0), on(2, 2.0, **changes), on(3, 2.0)])[1]
    assert not judge([on(1, 9.0, **changes), on(2, 2.0)])[1]


def test_other_processors_and_other_ratios_are_not_compared_with() -> None:
    assert not judge([on(1, 9.0, processor="slate"), on(2, 9.0, name="other"), on(3, 1.0)])[1]
    assert judge([]) == (["No run is recorded yet: `make bench` records one."], False)


def test_the_table_has_the_newest_of_each_ratio_and_the_median_of_comparable_runs_before() -> None:
    history = [
        on(1, 3.0),
        on(2, 5.0),
        on(3, 99.0, load=7.0),
        on(4, 6.5, dirty=True),
        on(2, 8.0, name="other", goal=None),
    ]
    text = section(history)
    assert "| `network/loop/inference` | 6 | 4 | 6.5 * | yes | 2026-01-04 | abc | 0.2 |" in text
    assert "| `other` |  |  | 8 |  | 2026-01-02 | abc | 0.2 |" in text
    assert "not compared with other runs" in text
    assert "not compared with other runs" not in section(history[:2])
    assert [run[0].date for run in runs(history[:4])] == [one.date for one in history[:4]]
    assert section([]) == "Not measured yet."


def test_page_and_picture_show_the_committed_history() -> None:
    """`python -m benchmarks.speed_page` writes both again."""
    history = read()
    assert f"<!-- {MARK}: begin -->\n{section(history)}\n<!-- {MARK}: end -->" in PAGE.read_text()
    drawn, committed = imread(io.BytesIO(draw(history))), imread(PICTURE)
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 0.01
    faster = [replace(one, date="9999-01-01", ratio=3 * one.ratio) for one in history]
    other = imread(io.BytesIO(draw([*history, *faster])))
    assert other.shape != committed.shape or np.abs(other - committed).max() > 0.1


@pytest.mark.parametrize(
    ("features", "kind"),
    [(["AVX512-BF16", "AVX512", "AVX2"], "abacus, AVX512-BF16"), (["AVX2"], "abacus, AVX2"), ([], "abacus")],
)
def test_processors_of_one_name_with_other_vector_extensions_are_of_another_kind(
    features: list[str], kind: str
) -> None:
    assert kind_of_processor({"cpu": "abacus", "cpu_features": features}) == kind
