"""DVC finds the same in dvc.lock whether it reads it record by record or as a whole."""

import re
from pathlib import Path
from typing import Any

import pytest
from dvc import dvcfile
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo

from prn_pipeline.sweep.record_file import RecordFile, record_by_record

INTACT = "schema: '2.0'\nstages:\n  one:\n    cmd: echo 1\n  two:\n    cmd: echo 2\n    outs:\n    - path: a\n"
#: Name -> text of a lock file and what is wrong with it, if anything is.
TEXTS = {
    "intact": INTACT,
    "comments": INTACT.replace("  two", "  # ours\n  two"),
    "data sets": INTACT + "datasets: []\n",
    "an alias": INTACT.replace("echo 1", "&same echo").replace("echo 2", "*same"),
    "a record without a command": INTACT.replace("cmd: echo 2", "wdir: a"),
    "an unknown key": INTACT.replace("- path: a", "- path: a\n      paths: 1"),
    "no YAML": INTACT.replace("echo 2", "'echo 2"),
    "the same record twice": INTACT + "  one:\n    cmd: echo 3\n",
    "half": INTACT[:30],
    "no text": INTACT.replace("echo 1", "ech\xf6 1"),
    "empty": "",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(str(tmp_path), no_scm=True)


def found_by(kind: type[Lockfile], repo: Repo) -> Any:
    """What a lock file holds, or the first line of the error about it, without the place in a text."""
    try:
        stages = kind(repo, str(Path(repo.root_dir, "dvc.lock"))).load().get("stages", {})
        return {address: stages[address] for address in stages}
    except DvcException as error:
        return re.sub(r"\d+", "", str(error).splitlines()[0])


@pytest.mark.parametrize("name", TEXTS)
def test_records_and_errors_are_those_of_dvc(repo: Repo, name: str) -> None:
    Path(repo.root_dir, "dvc.lock").write_bytes(TEXTS[name].encode("latin-1"))
    expected = found_by(Lockfile, repo)
    assert found_by(RecordFile, repo) == expected
    assert isinstance(expected, dict) == (name in ("intact", "comments", "data sets", "an alias")), expected


def test_a_missing_file_has_no_records(repo: Repo) -> None:
    assert found_by(RecordFile, repo) == found_by(Lockfile, repo) == {}


def test_only_the_record_that_is_asked_for_is_read(repo: Repo) -> None:
    Path(repo.root_dir, "dvc.lock").write_text(TEXTS["a record without a command"])
    stages = RecordFile(repo, str(Path(repo.root_dir, "dvc.lock"))).load()["stages"]
    assert (len(stages), "two" in stages, stages["one"]) == (2, True, {"cmd": "echo 1"})
    with pytest.raises(DvcException, match=r"dvc\.lock' validation failed"):
        stages["two"]


def test_dvc_uses_its_own_again_afterwards() -> None:
    with record_by_record():
        assert dvcfile.Lockfile is RecordFile
    assert dvcfile.Lockfile is Lockfile
