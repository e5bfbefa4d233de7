"""A run does not begin with MLflow's advice to the author of another library."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.tracking import quiet_imports

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_run_begins_without_advice_on_type_hints() -> None:
    begin = (
        "from pathlib import Path\n"
        "from kedro.framework.cli.cli import KedroCLI\n"
        "cli = KedroCLI(Path.cwd())\n"
        "cli.project_groups\n"
        "from prn_pipeline.tracking.parameters import ParameterBatchHook\n"
        "import sys; print('kedro_mlflow.mlflow.kedro_pipeline_model' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", begin], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "True" in done.stdout
    assert quiet_imports.ADVICE not in done.stdout + done.stderr


def test_other_warnings_of_the_import_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(name: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("once")
            warnings.warn(f"\033[1m{quiet_imports.ADVICE} to enable ...", UserWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)

    loader: Any = type("Loader", (), {"import_module": staticmethod(imported)})
    monkeypatch.setattr(quiet_imports, "importlib", loader)
    with pytest.warns(UserWarning, match="else") as given:
        quiet_imports.import_without_advice()
    assert [str(one.message) for one in given] == ["something else"]
