"""The registry of one model: versions, aliases, tags and the lock, as other processes see them."""

import re
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST
from mlflow.tracking import MlflowClient

from prn_pipeline.errors import UserError
from prn_pipeline.promotion.marks import BROKEN, CHALLENGER, CHAMPION, DIGEST, LOOKS, REPLACED, TAKEN_BACK
from prn_pipeline.promotion.registry import ChampionChangedError, Registry


@pytest.fixture
def registry(client: MlflowClient) -> Registry:
    """Model `roads` with three versions and no champion."""
    client.create_registered_model("roads")
    for number in (1, 2, 3):
        client.create_model_version("roads", f"/somewhere/{number}")
    return Registry("roads")


def champion(registry: Registry) -> str | None:
    found = registry.aliased(CHAMPION)
    return None if found is None else str(found.version)


def test_versions_are_listed_by_number_the_newest_first(registry: Registry, client: MlflowClient) -> None:
    client.create_registered_model("cells")
    client.create_model_version("cells", "/somewhere")
    for number in range(4, 12):
        client.create_model_version("roads", f"/somewhere/{number}")
    assert [int(version.version) for version in registry.versions()] == list(range(11, 0, -1))
    assert Registry("nothing").versions() == []


def test_the_newest_version_of_a_digest_is_found(registry: Registry) -> None:
    for number in ("1", "2"):
        registry.tag(registry.version(number), DIGEST, "abc")
    found = registry.find("abc")
    assert found is not None
    assert str(found.version) == "2"


def test_aliases_name_versions_and_a_model_or_an_alias_may_be_missing(registry: Registry) -> None:
    assert registry.aliased(CHAMPION) is None
    assert Registry("nothing").aliased(CHAMPION) is None
    registry.challenge(registry.version("2"))
    found = registry.aliased(CHALLENGER)
    assert found is not None
    assert (str(found.version), champion(registry)) == ("2", None)


def test_an_error_of_the_registry_is_not_taken_for_an_absent_champion_or_version(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(code: int) -> Any:
        def fails(*_: Any) -> None:
            raise MlflowException("no answer", error_code=code)

        return fails

    for name in ("get_registered_model", "get_model_version"):
        monkeypatch.setattr(registry._client, name, failing(INTERNAL_ERROR))
    with pytest.raises(MlflowException, match="no answer"):
        registry.aliased(CHAMPION)
    with pytest.raises(MlflowException, match="no answer"):
        registry.version("1")
    for name in ("get_registered_model", "get_model_version"):
        monkeypatch.setattr(registry._client, name, failing(RESOURCE_DOES_NOT_EXIST))
    assert registry.aliased(CHAMPION) is None
    with pytest.raises(UserError, match="model roads has no version 1; it has 3, 2, 1"):
        registry.version("1")


def test_the_error_for_a_missing_version_lists_those_that_exist(registry: Registry) -> None:
    with pytest.raises(UserError, match=r"^model roads has no version 9; it has 3, 2, 1$"):
        registry.version("9")
    with pytest.raises(UserError, match=r"^model nothing has no version 1; it has none$"):
        Registry("nothing").version("1")


def test_a_champion_is_tagged_with_the_version_that_it_replaced(registry: Registry) -> None:
    registry.promote(registry.version("1"), None)
    assert (champion(registry), REPLACED in registry.version("1").tags) == ("1", False)
    registry.promote(registry.version("3"), registry.version("1"))
    assert (champion(registry), registry.version("3").tags[REPLACED]) == ("3", "1")


def test_a_champion_that_is_not_the_one_compared_with_is_not_replaced(registry: Registry) -> None:
    with pytest.raises(ChampionChangedError, match=r"^roads: the champion is now version none$"):
        registry.promote(registry.version("2"), registry.version("1"))
    registry.promote(registry.version("1"), None)
    for expected in (None, registry.version("3")):
        with pytest.raises(ChampionChangedError, match=r"^roads: the champion is now version 1$"):
            registry.promote(registry.version("2"), expected)
    assert champion(registry) == "1"
    assert registry.version("2").tags == {}


def test_a_comparison_is_counted_in_tags_that_later_versions_of_the_program_can_read(registry: Registry) -> None:
    assert registry.look(registry.version("2"), registry.version("1"), "0123456789abcdefXYZ") == 1
    assert registry.version("2").tags == {"look_1_0123456789abcdef": "1"}
    assert registry.version("1").tags == {LOOKS: "1"}
    registry.tag(registry.version("1"), LOOKS, "7")
    stale = registry.version("3")
    assert registry.look(stale, registry.version("1"), "test") == 8
    assert registry.look(stale, registry.version("1"), "test") == 8, "tags are read again"


def test_a_rollback_returns_to_the_replaced_version_and_marks_the_other(registry: Registry) -> None:
    registry.promote(registry.version("1"), None)
    registry.promote(registry.version("2"), registry.version("1"))
    assert registry.roll_back() == ("2", "1")
    assert champion(registry) == "1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", registry.version("2").tags[TAKEN_BACK])
    assert TAKEN_BACK not in registry.version("1").tags


def test_a_rollback_to_a_version_that_was_taken_back_forgives_it(registry: Registry) -> None:
    registry.promote(registry.version("1"), None)
    registry.roll_back("3")
    assert TAKEN_BACK in registry.version("1").tags
    assert registry.roll_back("1") == ("3", "1")
    assert TAKEN_BACK not in registry.version("1").tags
    assert TAKEN_BACK in registry.version("3").tags


def test_a_rollback_to_the_champion_changes_nothing(registry: Registry) -> None:
    registry.promote(registry.version("1"), None)
    assert registry.roll_back("1") == ("1", "1")
    assert TAKEN_BACK not in registry.version("1").tags


def test_a_version_becomes_champion_by_hand_where_there_is_none(registry: Registry) -> None:
    assert registry.roll_back("2") == ("none", "2")
    assert champion(registry) == "2"


def test_a_rollback_that_is_impossible_names_what_exists(registry: Registry, client: MlflowClient) -> None:
    with pytest.raises(UserError) as caught:
        registry.roll_back()
    assert str(caught.value) == (
        "model roads: its champion (none) replaced no other version. Name a version with --to; there are 3, 2, 1"
    )
    registry.promote(registry.version("2"), None)
    with pytest.raises(UserError, match=r"its champion \(2\) replaced no other version"):
        registry.roll_back()
    registry.tag(registry.version("3"), BROKEN, "no such kernel")
    with pytest.raises(UserError, match=r"^model roads: version 3 is broken \(no such kernel\): name another version$"):
        registry.roll_back("3")
    assert champion(registry) == "2"
    client.create_registered_model("cells")
    with pytest.raises(UserError, match=r"^the registry has no model raods; it has cells, roads$"):
        Registry("raods").roll_back()


def test_the_error_of_an_empty_registry_says_that_it_is_empty(client: MlflowClient) -> None:
    with pytest.raises(UserError, match=r"^the registry has no model roads; it has none$"):
        Registry("roads").roll_back()


def test_one_process_of_this_machine_at_a_time_changes_a_model(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.get_registry_uri", lambda: f"sqlite:///{tmp_path}/mlflow.db?timeout=60")
    (tmp_path / "data").mkdir()
    locks = tmp_path / "data/.locks"
    with registry._locked():
        (file,) = locks.iterdir()
        assert file.stat().st_mode & 0o600 == 0o600
        with pytest.raises(Timeout):
            FileLock(file, timeout=0).acquire()
        with Registry("cells")._locked():
            assert len(list(locks.iterdir())) == 2, "one for each model"
    assert list(locks.iterdir()) == [], "no file stays"


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("sqlite:///{here}/mlflow.db", "{here}/.locks"),
        ("sqlite:///{here}/project/mlflow.db?timeout=60", "{here}/project/data/.locks"),
        ("file://{here}/mlruns", "{here}/.locks"),
        ("http://server:5000", "{here}/cache/prn_pipeline/locks"),
    ],
)
def test_locks_of_a_registry_lie_where_only_its_users_can_write(
    uri: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project/data").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("mlflow.get_registry_uri", lambda: uri.format(here=tmp_path))
    with Registry("roads")._locked():
        assert len(list(Path(folder.format(here=tmp_path)).glob("*.lock"))) == 1
    assert list(tmp_path.rglob("*.lock")) == []


@pytest.mark.parametrize("change", ["promote", "roll_back", "look"])
def test_changes_hold_the_lock(registry: Registry, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    held: list[bool] = []
    locked, tag = registry._locked, MlflowClient.set_model_version_tag
    alias = MlflowClient.set_registered_model_alias
    inside = [False]

    class Lock:
        def __enter__(self) -> None:
            self.lock = locked()
            self.lock.__enter__()
            inside[0] = True

        def __exit__(self, *error: Any) -> None:
            inside[0] = False
            self.lock.__exit__(*error)

    def recorded(change: Any) -> Any:
        def does(*arguments: Any) -> Any:
            held.append(inside[0])
            return change(*arguments)

        return does

    registry.promote(registry.version("1"), None)
    monkeypatch.setattr(registry, "_locked", Lock)
    monkeypatch.setattr(MlflowClient, "set_model_version_tag", recorded(tag))
    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", recorded(alias))
    arguments = {
        "promote": (registry.version("2"), registry.version("1")),
        "roll_back": ("2",),
        "look": (registry.version("2"), registry.version("1"), "test"),
    }
    getattr(registry, change)(*arguments[change])
    assert held == [True, True]
