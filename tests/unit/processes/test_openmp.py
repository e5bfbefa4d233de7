"""OpenMP's threads wait in a loop for a moment only, unless the user has decided how they wait."""

import os
import subprocess
import sys

import pytest

from prn_pipeline.processes.openmp import TURNS, VARIABLES, wait_briefly


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")  # so that it is restored
        monkeypatch.delenv(variable)


def test_threads_wait_for_a_moment_by_default() -> None:
    wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == TURNS


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_the_user_has_decided_stays(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "ACTIVE")
    wait_briefly()
    assert {one: os.environ[one] for one in VARIABLES if one in os.environ} == {variable: "ACTIVE"}


@pytest.mark.parametrize(
    "command",
    [
        "from prn_pipeline.commands import prn; prn(['plan', '--help'])",
        "from prn_pipeline.cli import cli; cli(['run', '--env', 'nowhere'])",
    ],
)
def test_commands_decide_before_pytorch_is_imported(command: str) -> None:
    asked = (
        "import atexit, os, sys\n"
        "atexit.register(lambda: print('found', os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules))\n" + command
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    assert f"found {TURNS} False" in done.stdout
