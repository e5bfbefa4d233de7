"""A copy of this project whose runs take seconds, for tests and for `benchmarks.soak`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]

#: A run that takes seconds.
SMALL: dict[str, Any] = {
    "datasets": {
        "synthetic_roads": {"image_size": 64, "folds": 3, "training_share": 1, "synthetic": {"count": 18, "size": 64}}
    },
    "base_models": {
        "unet_resnet18_small": {"encoder": "tu-mobilenetv3_small_050", "training": {"epochs": 2, "steps_per_epoch": 3}}
    },
    "logit_caching": {"keep": ["tta", "features"]},
    "prn_training": {"epochs": 2, "steps_per_epoch": 2, "batch_size": 2},
    "refiners": {"prn": {"detail_width": 4, "detail_levels": 2, "region_width": 4}},
    "evaluation": {"resamples": 200},
    "reporting": {"gallery_rows": 1},
}

#: The lists that the project comes with.
EMBEDDED = {"datasets": ["synthetic_roads"], "base_models": ["unet_resnet18_small"], "refiners": ["prn"], "seeds": [0]}

#: What a copy is made without. What Python and numba have compiled goes along, which saves each copy a quarter of a
#: minute; files that another process is writing there have such temporary names.
LEFT = ("local", "*.egg-info", "*.pyc.*", "tmp.*")


def copy_project(folder: Path) -> Path:
    """A repository with the project's code and configuration; in this process the code of this checkout runs."""
    for name in (
        "conf",
        "pyproject.toml",
        "dvc.yaml",
        ".dvc/config",
        ".dvcignore",
        ".gitignore",
        ".telemetry",
        "data/01_raw/synthetic_roads",
        "src",
    ):
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT))
        else:
            shutil.copy(source, target)
    (folder / "conf" / "local").mkdir()
    (folder / "conf" / "base" / "benchmark.yml").write_text(yaml.safe_dump(EMBEDDED))  # whatever the project's are now
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "copy"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


def make_small(folder: Path) -> Path:
    """Write `SMALL` into the configuration files of a copy, where DVC reads it too."""
    for file in (folder / "conf" / "base").glob("parameters_*.yml"):
        settings = yaml.safe_load(file.read_text())
        small = {section: SMALL[section] for section in settings if section in SMALL}
        file.write_text(yaml.safe_dump(merged(settings, small)))
    return folder


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, block by block."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result
