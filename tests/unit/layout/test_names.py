"""A name that would lead out of its folder is refused wherever a name comes in."""

from pathlib import Path

import pytest

from prn_pipeline.errors import UserError
from prn_pipeline.layout.names import check_name
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.sweep.failures import record_failure
from prn_pipeline.sweep.lists import Lists
from tests.unit.test_parameters import load

BAD = [
    "../../x",
    "..",
    ".",
    "",
    "/etc/x",
    "a/b",
    "a\\b",
    ".hidden",
    "a\0b",
    "a\nb",
    "a:b",
    "a'b",
    " a",
    "a ",
    "x" * 300,
]
GOOD = ["synthetic_roads", "2018", "unet-resnet18+x", "v1.2", "Straße", "道路", "my roads", "1e5", "a..b", "x" * 100]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_not_one_folders_is_refused_with_what_is_wrong(name: str) -> None:
    with pytest.raises(UserError, match="choose another name"):
        check_name("dataset", name)


@pytest.mark.parametrize("name", GOOD)
def test_an_ordinary_name_is_accepted(name: str, tmp_path: Path) -> None:
    assert check_name("dataset", name) == name
    (tmp_path / f"{name}.partial").mkdir()


@pytest.mark.parametrize("key", ["dataset", "base_model", "refiner"])
def test_a_run_with_such_a_name_is_refused_though_a_block_has_it(key: str) -> None:
    block = load()[f"{key}s"][load()[key]]
    with pytest.raises(UserError, match=rf"{key} '../../x' has the character '/'"):
        load(**{key: "../../x", f"{key}s": {"../../x": block}})


def test_a_path_is_not_made_of_such_a_name() -> None:
    names = {"dataset": "drive", "base_model": "..", "refiner": "prn", "seed": 0}
    with pytest.raises(UserError, match=r"base_model '..' starts with a dot"):
        scope_path("run", names)
    with pytest.raises(UserError, match="seed"):
        scope_path("run", names | {"base_model": "unet", "seed": "0/../../../x"})


def test_a_failure_is_not_recorded_outside_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project := tmp_path / "a/b/c/d/e/project").mkdir(parents=True)
    monkeypatch.setenv("DVC_STAGE", "ingestion@x")
    monkeypatch.setenv("DVC_ROOT", str(project))
    with pytest.raises(UserError, match="dataset"), record_failure({"dataset": "../../../../x"}, str):
        raise UserError("nothing")
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_lists_of_a_benchmark_refuse_it() -> None:
    lists = {"datasets": ["../../x"], "base_models": ["a"], "refiners": ["b"], "seeds": [0]}
    with pytest.raises(ValueError, match="letters"):
        Lists.model_validate(lists)
