"""`prn models` and `prn rollback` on the command line."""

import sqlite3
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from prn_pipeline.commands import prn
from prn_pipeline.promotion.database_listing import list_from_database
from prn_pipeline.promotion.listing import list_through_mlflow
from prn_pipeline.promotion.marks import BROKEN
from prn_pipeline.promotion.registry import Registry


def prn_output(*command: str) -> tuple[int, str]:
    """Exit code and output of `prn ...` in a wide terminal."""
    done = CliRunner().invoke(prn, command, env={"COLUMNS": "200"})
    return done.exit_code, done.output


def two_models(client: MlflowClient) -> None:
    """Model `roads` with two versions, the second of which replaced the first, and model `cells` with one."""
    for name, versions in (("roads", 2), ("cells", 1)):
        client.create_registered_model(name)
        for number in range(1, versions + 1):
            client.create_model_version(
                name, f"/somewhere/{name}/{number}", tags={"made_by": f"{name}/unet/prn/seed-0"}
            )
    registry = Registry("roads")
    registry.promote(registry.version("1"), None)
    registry.promote(registry.version("2"), registry.version("1"))


def test_an_empty_registry_prints_how_to_register_a_model(client: MlflowClient) -> None:
    code, printed = prn_output("models")
    assert code == 0
    assert "kedro run --pipelines promotion" in printed


def test_all_models_or_one_are_listed(client: MlflowClient) -> None:
    two_models(client)
    rows = [line.split("│")[1:5] for line in prn_output("models")[1].splitlines() if "unet" in line]
    assert [[column.strip() for column in row] for row in rows] == [
        ["cells", "1", "", "cells/unet/prn/seed-0"],
        ["roads", "2", "champion", "roads/unet/prn/seed-0"],
        ["roads", "1", "", "roads/unet/prn/seed-0"],
    ]
    assert "cells" not in prn_output("models", "roads")[1]
    code, printed = prn_output("models", "raods")
    assert code == 1
    assert "no model raods; it has cells, roads" in printed


def test_rollback_returns_to_the_replaced_version(client: MlflowClient) -> None:
    two_models(client)
    assert prn_output("rollback", "roads") == (0, "roads: the champion is now version 1; it was version 2\n")
    assert "taken back" in prn_output("models", "roads")[1]
    code, printed = prn_output("rollback", "roads")
    assert code == 1
    assert "replaced no other version" in printed
    assert prn_output("rollback", "roads", "--to", "2") == (
        0,
        "roads: the champion is now version 2; it was version 1\n",
    )
    code, printed = prn_output("rollback", "roads", "--to", "7")
    assert code == 1
    assert "has no version 7; it has 2, 1" in printed


def test_a_database_is_listed_without_mlflow_as_mlflow_lists_it(client: MlflowClient, tracking_store: str) -> None:
    two_models(client)
    roads = Registry("roads")
    roads.challenge(roads.version("2"))
    roads.roll_back()
    roads.tag(roads.version("1"), BROKEN, "weights are missing")
    client.delete_model_version("cells", "1")
    client.create_registered_model("empty")
    mlflow.genai.register_prompt("greeting", "Hello")
    listing = list_from_database(tracking_store)
    assert listing == list_through_mlflow()
    assert list(listing or {}) == ["cells", "empty", "roads"]
    assert [one.roles for one in (listing or {})["roads"]] == [("challenger", "taken back"), ("champion", "broken")]


def test_no_database_yet_is_an_empty_registry_and_stays_none(tmp_path: Path) -> None:
    assert list_from_database(f"sqlite:///{tmp_path}/none.db?timeout=60") == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1",
        "postgresql://host/mlflow",
        "sqlite:///relative.db",
        "sqlite:///{folder}/a%20b.db",
        "sqlite:///{folder}/none.db?cache=shared",
        "sqlite:///{folder}/missing/none.db",
        "",
    ],
)
def test_everything_else_is_left_to_mlflow(uri: str, tmp_path: Path) -> None:
    assert list_from_database(uri.format(folder=tmp_path)) is None


@pytest.mark.parametrize("variable", ["MLFLOW_REGISTRY_URI", "MLFLOW_WORKSPACE", "MLFLOW_ENABLE_WORKSPACES"])
def test_a_variable_that_makes_mlflow_look_elsewhere_is_left_to_mlflow(
    variable: str, client: MlflowClient, tracking_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_from_database(tracking_store) == {}
    monkeypatch.setenv(variable, "elsewhere")
    assert list_from_database(tracking_store) is None


def test_tables_of_another_version_and_damaged_files_are_left_to_mlflow(
    client: MlflowClient, tracking_store: str, tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("no database")
    assert list_from_database(f"sqlite:///{tmp_path}/text.db") is None
    with sqlite3.connect(tracking_store.removeprefix("sqlite:///")) as base:
        base.execute("UPDATE alembic_version SET version_num = 'a later one'")
    assert list_from_database(tracking_store) is None
