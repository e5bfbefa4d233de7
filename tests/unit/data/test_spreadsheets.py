"""Tables keep any text: no cell is a formula in a spreadsheet, no name splits a row, and our readers get it back."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prn_pipeline.data.readers.split_files import splits_from_column
from prn_pipeline.data.splits.settings import ColumnSplit
from prn_pipeline.data.store.spreadsheets import csv_text, escaped, unescaped
from prn_pipeline.data.store.table_files import read_table, write_table
from prn_pipeline.errors import UserError

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\tx", "\r=x", "-5")
PLAIN = ("a", "a=b", "a-b", "'a", "a,b", 'a"b', "a\nb", "a\rb", "a\r\nb", "007", "NA", "", " b", "ä字")


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_carriage_return_splits_no_row() -> None:
    table = pd.DataFrame({"name": ["a\rb", "c"], "count": [1, 2]})
    assert rows(csv_text(table)) == [["name", "count"], ["a\rb", "1"], ["c", "2"]]
    assert pd.read_csv(io.StringIO(csv_text(table), newline="")).equals(table)
    assert '"a\rb"' in csv_text(table)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_begins_like_a_formula(name: str) -> None:
    (_, (cell, number)) = rows(csv_text(pd.DataFrame({"name": [name], "gain": [-0.5]})))
    assert cell == f"'{name}"
    assert number == "-0.5"  # numbers stay numbers


def test_other_tables_are_written_as_pandas_writes_them() -> None:
    table = pd.DataFrame({"name": ["a", "b,c", None], "x": [1.5, float("nan"), -2], "n": [1, 2, 3], "ok": [True] * 3})
    assert csv_text(table) == table.to_csv(index=False)


def test_integers_with_gaps_stay_integers() -> None:
    table = pd.DataFrame({"name": ["=a", "b\r"], "n": pd.array([3, None], dtype="Int64")})
    assert rows(csv_text(table)) == [["name", "n"], ["'=a", "3"], ["b\r", ""]]
    assert pd.read_csv(io.StringIO(csv_text(table), newline=""))["n"].isna().tolist() == [False, True]


@given(st.text(alphabet="'=+-@\t\ra0", max_size=6))
def test_every_text_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert escaped(text)[:1] not in ("=", "+", "-", "@", "\t", "\r") or not text


@pytest.mark.parametrize("changed", [True, False])
def test_sample_ids_of_any_form_come_back_from_our_tables(changed: bool, tmp_path: Path) -> None:
    ids = [*PLAIN, *FORMULAS] if changed else [one for one in PLAIN if "\r" not in one]
    table = pd.DataFrame({"sample_id": ids, "iou": [0.5] * len(ids)})
    write_table(tmp_path / "t.csv", table)
    found = read_table(tmp_path / "t.csv")
    assert found["sample_id"].tolist() == ids
    assert found["iou"].tolist() == [0.5] * len(ids)
    content = (tmp_path / "t.csv").read_bytes()
    (tmp_path / "t.csv").write_bytes(content.replace(b"0.5", b"0.6", 1))
    with pytest.raises(UserError, match="damaged"):
        read_table(tmp_path / "t.csv")


def test_a_table_of_splits_may_name_ids_as_our_tables_write_them(tmp_path: Path) -> None:
    known = {"-5": "-5", "=x": "=x", "'y": "'y", "z": "z"}
    table = pd.DataFrame({"sample_id": list(known), "split": ["train", "val", "test", "train"]})
    expected = dict(zip(known, table["split"], strict=True))
    for text in (csv_text(table), table.to_csv(index=False)):
        (tmp_path / "splits.csv").write_text(text)
        assert splits_from_column(tmp_path, ColumnSplit(method="column", file="splits.csv"), known) == expected
