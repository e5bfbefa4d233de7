"""`prn models` and `prn rollback` on the command line."""

from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from prn_pipeline.commands import prn
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
