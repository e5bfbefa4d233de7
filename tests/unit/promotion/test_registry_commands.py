"""`prn models` and `prn rollback`, as they are typed."""

from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from prn_pipeline.commands import prn
from prn_pipeline.promotion.registry import Registry


def said(*command: str) -> tuple[int, str]:
    """Exit code and output of `prn ...`; lines as wide as they are."""
    done = CliRunner().invoke(prn, command, env={"COLUMNS": "200"})
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's file without any model: to make one takes seconds."""
    file = tmp_path_factory.mktemp("registry") / "mlflow.db"
    mlflow.set_tracking_uri(f"sqlite:///{file}")
    MlflowClient().search_registered_models()
    return file


@pytest.fixture
def registry(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """One of its own for a test."""
    (tmp_path / "mlflow.db").write_bytes(empty.read_bytes())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    return MlflowClient()


def two_models(client: MlflowClient) -> None:
    """roads with two versions, of which the second has replaced the first; cells with one."""
    for name, versions in (("roads", 2), ("cells", 1)):
        client.create_registered_model(name)
        for number in range(1, versions + 1):
            client.create_model_version(
                name, f"/somewhere/{name}/{number}", tags={"made_by": f"{name}/unet/prn/seed-0"}
            )
    registry = Registry("roads")
    registry.promote(registry.version("1"), None)
    registry.promote(registry.version("2"), registry.version("1"))


def test_an_empty_registry_says_how_to_fill_it(registry: MlflowClient) -> None:
    code, printed = said("models")
    assert code == 0
    assert "kedro run --pipelines promotion" in printed


def test_models_are_listed_all_or_one(registry: MlflowClient) -> None:
    two_models(registry)
    rows = [line.split("│")[1:5] for line in said("models")[1].splitlines() if "unet" in line]
    assert [[run.strip() for run in row] for row in rows] == [
        ["cells", "1", "", "cells/unet/prn/seed-0"],
        ["roads", "2", "champion", "roads/unet/prn/seed-0"],
        ["roads", "1", "", "roads/unet/prn/seed-0"],
    ]
    assert "cells" not in said("models", "roads")[1]
    code, printed = said("models", "raods")
    assert code == 1
    assert "no model raods; it has cells, roads" in printed


def test_rollback_brings_back_what_was_replaced_and_says_so(registry: MlflowClient) -> None:
    two_models(registry)
    assert said("rollback", "roads") == (0, "roads: version 1 is champion now; it was 2\n")
    assert "taken back" in said("models", "roads")[1]
    code, printed = said("rollback", "roads")
    assert code == 1
    assert "has replaced no other" in printed
    assert said("rollback", "roads", "--to", "2") == (0, "roads: version 2 is champion now; it was 1\n")
    code, printed = said("rollback", "roads", "--to", "7")
    assert code == 1
    assert "has no version 7; it has 2, 1" in printed
