"""DVC runs what is stale and nothing else, and carries artefacts to a remote and back."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import SMALL, copy_project, merged

CELL = "synthetic_roads/unet_resnet18_small/prn/seed-0"


def command(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with small settings in its own configuration files, after one `dvc repro`."""
    folder = copy_project(tmp_path_factory.mktemp("dvc") / "project")
    for file in (folder / "conf" / "base").glob("parameters_*.yml"):
        settings = yaml.safe_load(file.read_text())
        section = next(iter(settings))
        file.write_text(yaml.safe_dump({section: merged(settings[section], SMALL.get(section, {}))}))
    command(folder, "dvc", "repro")
    return folder


def would_run(folder: Path) -> list[str]:
    """Stages whose own inputs have changed; those after them follow when it is done."""
    printed = command(folder, "dvc", "repro", "--dry")
    return [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")]


def test_a_second_repro_runs_nothing(reproduced: Path) -> None:
    before = (reproduced / "dvc.lock").read_text()
    printed = command(reproduced, "dvc", "repro")
    assert "Running stage" not in printed
    assert "up to date" in printed
    assert (reproduced / "dvc.lock").read_text() == before


@pytest.mark.parametrize(
    ("file", "keys", "value", "stale"),
    [
        ("parameters_prn_training.yml", ["prn_training", "epochs"], 3, "prn_training"),
        ("parameters_refiners.yml", ["refiners", "prn", "pseudo_label_weight"], 0.25, "prn_training"),
        ("parameters_refiners.yml", ["refiners", "prn_paper", "width"], 16, None),
        ("parameters_evaluation.yml", ["evaluation", "resamples"], 300, "evaluation"),
        ("parameters_reporting.yml", ["reporting", "gallery_rows"], 2, "reporting"),
    ],
)
def test_a_changed_parameter_makes_its_own_stage_stale_and_none_before_it(
    reproduced: Path, file: str, keys: list[str], value: object, stale: str | None
) -> None:
    path = reproduced / "conf" / "base" / file
    before = path.read_text()
    settings = yaml.safe_load(before)
    inner = settings
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    try:
        path.write_text(yaml.safe_dump(settings))
        assert would_run(reproduced) == ([stale] if stale else [])
    finally:
        path.write_text(before)


def test_metrics_and_plots_are_shown(reproduced: Path, tmp_path: Path) -> None:
    shown = json.loads(command(reproduced, "dvc", "metrics", "show", "--json").strip())
    scores = shown[""]["data"][f"metrics/{CELL}.json"]["data"]
    assert 0 <= scores["methods"]["prn"]["iou_micro"] <= 1
    command(reproduced, "dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "base training" in page
    assert "val_iou_micro" in page


def test_artefacts_go_to_a_remote_and_come_back(reproduced: Path, tmp_path: Path) -> None:
    command(reproduced, "dvc", "remote", "add", "--force", "--default", "storage", str(tmp_path / "remote"))
    command(reproduced, "dvc", "push")
    kept = {path: (reproduced / path).read_bytes() for path in [f"data/06_models/{CELL}/refiner.safetensors"]}
    for folder in ("02_intermediate", "04_feature", "05_model_input", "06_models", "07_model_output", "08_reporting"):
        shutil.rmtree(reproduced / "data" / folder)
    shutil.rmtree(reproduced / ".dvc" / "cache")
    command(reproduced, "dvc", "pull")
    assert all((reproduced / path).read_bytes() == content for path, content in kept.items())
    assert would_run(reproduced) == []
