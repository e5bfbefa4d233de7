"""OpenMP's threads wait asleep, unless the user has decided how they wait."""

import os
import subprocess
import sys

import pytest

from prn_pipeline.processes.openmp import VARIABLES, wait_asleep


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")  # so that it is restored
        monkeypatch.delenv(variable)


def test_threads_wait_asleep_by_default() -> None:
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_the_user_has_decided_stays(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "ACTIVE")
    wait_asleep()
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
        "atexit.register(lambda: print('found', os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules))\n" + command
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    assert "found PASSIVE False" in done.stdout
