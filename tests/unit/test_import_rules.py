"""The import rules of pyproject.toml hold, and they see the whole package."""

import tomllib
from pathlib import Path

from importlinter import cli

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "src" / "prn_pipeline"
CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_every_contract_is_kept() -> None:
    assert cli.lint_imports(config_filename=str(PROJECT / "pyproject.toml"), no_cache=True) == 0


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
