"""Lists and tables that assign samples to splits and groups."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]
LISTS = {"method": "lists", "train": "train.txt", "test": "test.txt"}


@pytest.fixture
def root(write_dataset: Writer) -> Path:
    return write_dataset(["a1", "a2", "b1", "b2"])


def write(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        file = root / "roads" / name.replace("_", ".")
        file.write_text(text, encoding="utf-8")


def splits(root: Path, split: dict[str, Any]) -> dict[str, str | None]:
    settings = DatasetSettings.model_validate({"split": split})
    return {record.sample_id: record.split for record in make_reader("roads", settings, root).records()}


def groups(root: Path, group: dict[str, Any]) -> dict[str, str]:
    settings = DatasetSettings.model_validate({"split": {"method": "ratio", "group": group}})
    return {record.sample_id: record.group for record in make_reader("roads", settings, root).records()}


def test_lists_take_ids_file_names_and_paths_with_blank_lines_and_a_byte_order_mark(root: Path) -> None:
    write(root, train_txt="\ufeffa1\r\na2.png\n\n", test_txt="images/b1.png\nb2\nb2\n")
    assert splits(root, LISTS) == {"a1": "train", "a2": "train", "b1": "test", "b2": "test"}


def test_a_list_may_name_groups_instead_of_their_samples(root: Path) -> None:
    write(root, train_txt="a", test_txt="b1\nb2")
    split = LISTS | {"group": {"pattern": r"^(\w)\d"}}
    assert splits(root, split) == {"a1": "train", "a2": "train", "b1": "test", "b2": "test"}


def test_samples_in_no_list_are_left_out_with_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root, train_txt="a1", test_txt="b1")
    assert set(splits(root, LISTS)) == {"a1", "b1"}
    assert "2 images in no split" in caplog.text


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("a1\nzebra\n", r"train\.txt: 1 of 2 entries have no image: zebra.*such as a1"),
        ("\n", r"train\.txt: the train list is empty"),
        ("a1\nb1\n", r"test\.txt: sample b1 is in the train list and in the test list"),
    ],
)
def test_bad_lists_are_refused(root: Path, train: str, expected: str) -> None:
    write(root, train_txt=train, test_txt="b1\nb2\n")
    with pytest.raises(UserError, match=expected):
        splits(root, LISTS)


def test_a_missing_list_is_named(root: Path) -> None:
    write(root, train_txt="a1")
    with pytest.raises(UserError, match=r"test\.txt: no such file.*split\.test"):
        splits(root, LISTS)


def test_a_list_that_is_not_text_is_named(root: Path) -> None:
    (root / "roads/train.txt").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UserError, match=r"train\.txt: not a readable UTF-8"):
        splits(root, LISTS)


def test_a_column_gives_the_split_in_the_values_of_the_data_set(root: Path) -> None:
    write(root, s_csv="name,part\na1,training\na2,valid\nb1,testing\nb2,\n")
    words = {"train": "training", "val": "valid", "test": "testing"}
    split = {"method": "column", "file": "s.csv", "id": "name", "column": "part", **words}
    assert splits(root, split) == {"a1": "train", "a2": "val", "b1": "test"}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("id,split\na1,train\n", "no column 'sample_id'; it has 'id', 'split'"),
        ("sample_id,split\na1,learn\n", "holds learn; expected train, val, test"),
        ("sample_id,split\na1,train\na1,test\n", "a1 is listed twice, as 'train' and as 'test'"),
        ("sample_id,split\nq,train\n", "have no image: q"),
        ("", "not a readable CSV table"),
    ],
)
def test_bad_tables_are_refused(root: Path, table: str, expected: str) -> None:
    write(root, s_csv=table)
    with pytest.raises(UserError, match=rf"s\.csv.*{expected}"):
        splits(root, {"method": "column", "file": "s.csv"})


def test_groups_come_from_the_id_or_from_a_table(root: Path) -> None:
    expected = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
    assert groups(root, {"pattern": "^([ab])"}) == expected
    write(root, g_csv="sample_id\tvideo\na1\ta\na2\ta\nb1\tb\nb2\tb\n".replace("\t", ","))
    assert groups(root, {"file": "g.csv", "column": "video"}) == expected


def test_samples_without_a_group_are_named(root: Path) -> None:
    with pytest.raises(UserError, match=r"no group for 2 of 4 samples: b1, b2"):
        groups(root, {"pattern": "^(a)"})
    write(root, g_csv="sample_id,group\na1,x\na2,x\nb1,y\nb2,\n")
    with pytest.raises(UserError, match=r"g\.csv gives no group for 1 of 4 samples: b2"):
        groups(root, {"file": "g.csv"})


def test_a_group_expression_needs_a_group(root: Path) -> None:
    with pytest.raises(UserError, match=r"split\.group\.pattern.*no group"):
        groups(root, {"pattern": "^a"})
