"""Records replaced in the text of a lock file are those that DVC would write."""

import re
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, parse_yaml, parse_yaml_for_update
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prn_pipeline.sweep.lock_records import HEAD, records_of, with_records

Records = dict[str, Any]

TEXT = "schema: '2.0'\nstages:\n  one:\n    cmd: echo 1\n  two:\n    cmd: echo 2\n"

words = st.text(st.sampled_from("ab: #'\"|-\n\\é{}[]%1e."), max_size=12)
values = st.one_of(words, st.integers(), st.integers(-99, 99).map(lambda number: number / 4), st.booleans(), st.none())
outputs = st.lists(st.fixed_dictionaries({"path": words, "md5": st.text("0123456789abcdef.", max_size=32)}), max_size=3)
stages = st.fixed_dictionaries(
    {"cmd": st.one_of(words, st.lists(words, max_size=2), st.just("echo " + "a long line " * 20))},
    optional={
        "deps": outputs,
        "params": st.dictionaries(words, st.dictionaries(words, values, max_size=2), max_size=2),
    },
)
addresses = st.one_of(
    st.from_regex(r"[a-z_]+@[a-z]+-[0-9]", fullmatch=True), st.sampled_from(["1", "on", "1e3", "a" * 130, "é"])
)
locks = st.dictionaries(addresses, stages, max_size=4)


def by_dvc(text: str, records: Records) -> str:
    """What DVC makes of a lock file."""
    found = parse_yaml_for_update(text, "dvc.lock")
    if not found:
        found.update({"schema": "2.0"})
    found["stages"] = found.get("stages", {})
    found["stages"].update(records)
    return str(dumps_yaml(found))


@given(locks, locks.filter(bool))
@settings(max_examples=300, deadline=None)
@example({"one": {"cmd": "echo 1"}, "two": {"cmd": "a\n\n  b"}}, {"one": {"cmd": "echo 3"}})
def test_records_are_replaced_and_added_as_by_dvc(before: Records, records: Records) -> None:
    text = dumps_yaml({"schema": "2.0", "stages": before})
    found = with_records(text, records, dumps_yaml)
    plain = all(re.fullmatch(r"[a-z_]+@[a-z]+-[0-9]|one|two", address) for address in (*before, *records))
    assert found is not None or not plain or not before
    if found is not None:
        assert found == by_dvc(text, records)
        assert parse_yaml(found, "dvc.lock")["stages"] == {**before, **records}


def test_the_others_keep_their_places() -> None:
    found = with_records(TEXT, {"one": {"cmd": "echo 3"}, "three": {"cmd": "echo 4"}}, dumps_yaml)
    assert found == TEXT.replace("echo 1", "echo 3") + "  three:\n    cmd: echo 4\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stages:\n  one:\n    cmd: echo 1\n",
        "# ours\n" + TEXT,
        TEXT.replace("  two", "  # the second\n  two"),
        TEXT.replace("  two", "<<<<<<< ours\n  two"),
        TEXT.replace("  two:", "  'two':"),
        TEXT.replace("two:\n", "two: # the second\n"),
        TEXT.replace("\n", "\r\n"),
        TEXT.removesuffix("\n"),
        TEXT + "datasets:\n- name: photos\n",
    ],
)
def test_a_file_that_dvc_has_not_written_is_left_to_dvc(text: str) -> None:
    assert with_records(text, {"two": {"cmd": "echo 3"}}, dumps_yaml) is None


@given(locks.filter(bool))
@settings(max_examples=200, deadline=None)
def test_every_record_is_a_text_of_its_own(before: Records) -> None:
    text = dumps_yaml({"schema": "2.0", "stages": before})
    found = records_of(text)
    if found is None:
        assert not all(re.fullmatch(r"[a-z_]+@[a-z]+-[0-9]", address) for address in before)
    else:
        assert list(found) == list(before)
        assert {address: parse_yaml(HEAD + of, "dvc.lock")["stages"] for address, of in found.items()} == {
            address: {address: record} for address, record in before.items()
        }
