"""The error of a training by several processes names the cause, not its consequences."""

import json
import re
from pathlib import Path

import pytest

from prn_pipeline.errors import UserError
from prn_pipeline.training.processes.failures import NodeFailures, ProcessFailure, process_error


def failed_folder(folder: Path, errors: dict[int, str], failures: list[ProcessFailure]) -> Path:
    """What the launcher and the processes leave behind when they fail."""
    for rank, message in errors.items():
        details = {"py_callstack": f"Traceback of {message}", "timestamp": str(rank)}
        file = folder / "training_abc" / "attempt_0" / str(rank) / "error.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"message": {"message": message, "extraInfo": details}}))
    if failures:
        (folder / "failures-node-1.json").write_bytes(NodeFailures.dump_json(failures))
    (folder / "processes.log").write_text("last words\n")
    return folder


CONNECTION_LOST = {0: "RuntimeError: Connection closed by peer"}


@pytest.mark.parametrize(
    ("exit_codes", "kind", "message"),
    [
        ((1, -9), UserError, "killed .*lower batch_size.*last words"),
        ((1, -15), RuntimeError, "Traceback of RuntimeError: Connection closed"),
    ],
    ids=["killed", "raised"],
)
def test_a_lost_connection_is_not_the_cause_if_a_process_was_killed(
    exit_codes: tuple[int, int], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    failures = [ProcessFailure(rank=rank, exit_code=code, delay=0) for rank, code in enumerate(exit_codes)]
    error = process_error("training", failed_folder(tmp_path, CONNECTION_LOST, failures), 1)
    assert type(error) is kind
    assert re.search(message, str(error), re.DOTALL)


def test_a_process_that_the_launcher_killed_is_not_the_cause(tmp_path: Path) -> None:
    failures = [ProcessFailure(rank=0, exit_code=1, delay=0), ProcessFailure(rank=1, exit_code=-9, delay=30)]
    error = process_error("training", failed_folder(tmp_path, {0: "ValueError: a defect"}, failures), 1)
    assert type(error) is RuntimeError
    assert "ValueError: a defect" in str(error)


def test_a_process_that_crashed_without_an_exception_shows_exit_code_and_log(tmp_path: Path) -> None:
    error = process_error("training", failed_folder(tmp_path, {}, [ProcessFailure(rank=1, exit_code=-11, delay=0)]), 1)
    assert type(error) is RuntimeError
    assert "rank 1: -11" in str(error)
    assert "last words" in str(error)


def test_a_killed_launcher_is_a_killed_process(tmp_path: Path) -> None:
    assert type(process_error("training", failed_folder(tmp_path, {}, []), -9)) is UserError
