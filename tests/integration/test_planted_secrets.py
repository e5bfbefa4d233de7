"""Passwords and tokens that are planted in the environment are in nothing that commands print or write."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from benchmarks.planted_secrets import files_below, found_in, spellings
from benchmarks.small_project import PROJECT, make_small

pytestmark = pytest.mark.long

TOKEN, PASSWORD = "tok3nPLANTEDtok3n", "p@ss/PLANTEDword"
VARIABLES = {
    "MLFLOW_TRACKING_TOKEN": TOKEN,
    "AWS_SECRET_ACCESS_KEY": TOKEN[::-1],
    "HF_TOKEN": f"hf_{TOKEN}",
    "OTHER_URL": f"https://x:{quote(PASSWORD, safe='')}@other.example/path?api_key={TOKEN}",
}
#: A server that refuses the connection.
AWAY = f"http://bob:{quote(PASSWORD, safe='')}@127.0.0.1:1"
SECRETS = spellings(TOKEN) | spellings(TOKEN[::-1]) | spellings(PASSWORD) | {b"PLANTEDword"}


def printed(project: Path, *command: str, **variables: str) -> bytes:
    """Output and errors of a command in a process of its own."""
    environment = os.environ | VARIABLES | variables
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    environment |= {"PYTHONPATH": str(PROJECT / "src"), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, check=False)
    return done.stdout + done.stderr


def test_no_planted_secret_is_printed_or_written(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_small(project)
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    outputs = {
        "a run": printed(project, "kedro", "run", "--pipelines", "ingestion"),
        "a run without its server": printed(
            project, "kedro", "run", "--pipelines", "ingestion", MLFLOW_TRACKING_URI=AWAY
        ),
        "a run with a secret parameter": printed(
            project, "kedro", "run", "--params", f"base_models.unet_resnet18_small.options.api_key={TOKEN}"
        ),
        "a benchmark": printed(project, "prn", "benchmark", MLFLOW_TRACKING_URI=AWAY),
        "the leaderboard": printed(project, "prn", "leaderboard", MLFLOW_TRACKING_URI=AWAY),
        "the registry": printed(project, "prn", "models", MLFLOW_TRACKING_URI=AWAY),
    }
    assert b"options.api_key. Parameters are stored in MLflow" in outputs["a run with a secret parameter"].replace(
        b"\n", b" "
    )
    assert b"the tracking server http://***@127.0.0.1:1 does not answer" in outputs["a run without its server"]
    files = files_below([project, temporary])
    names = {file.name for file in files}
    assert {"failure.json", "leaderboard.html", "leaderboard.csv", "leaderboard.md", "mlflow.db"} <= names
    assert any(file.suffix == ".log" and file.stat().st_size for file in files), "the output of a stage"
    found = [place for place, _ in found_in([project, temporary], SECRETS)]
    found += [name for name, text in outputs.items() for secret in SECRETS if secret in text]
    assert found == []
