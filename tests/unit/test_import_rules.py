"""The import rules of pyproject.toml hold, and they see the whole package."""

import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "src" / "prn_pipeline"
CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_every_contract_is_kept() -> None:
    # In a process of its own: import-linter configures logging, which switches off the loggers of modules in use.
    lint = "from importlinter import cli\nraise SystemExit(cli.lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", lint], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_room_has_a_floor() -> None:
    layers = next(contract for contract in CONTRACTS if contract["type"] == "layers")
    floors = {room.strip() for layer in layers["layers"] for room in layer.split("|")}
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert floors == rooms - {"__init__"}


def test_the_library_is_every_room_below_the_pipelines() -> None:
    library = next(contract for contract in CONTRACTS if contract["type"] == "forbidden")
    layers = next(contract for contract in CONTRACTS if contract["type"] == "layers")["layers"]
    below = {room.strip() for layer in layers[layers.index("serving") :] for room in layer.split("|")}
    assert {name.removeprefix("prn_pipeline.") for name in library["source_modules"]} == below
