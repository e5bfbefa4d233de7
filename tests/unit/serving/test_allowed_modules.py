"""A predictor's folder runs no code that the user has not allowed, in every place that loads predictors."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from prn_pipeline.commands import prn
from prn_pipeline.data.store.checksums import digest
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.refiner import BaseNetwork
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.segmentation import imported_code
from prn_pipeline.segmentation.imported_code import VARIABLE
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.serving.places import ARTEFACT
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.saved import DIGESTS, SETTINGS
from prn_pipeline.serving.settings import PredictorSettings
from tests.unit.serving.conftest import random_refiner

CONVOLUTION = {"in_channels": 3, "out_channels": 1, "kernel_size": 1}


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_code, "_configured", set())
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A predictor whose base model is a module of torch."""
    base = build_base_model(ModuleSettings(kind="module", target="torch.nn:Conv2d", options=CONVOLUTION))
    Predictor(base, random_refiner(), PredictorSettings(image_size=64)).save(tmp_path / "model")
    return tmp_path / "model"


def tamper(folder: Path, target: str, options: dict[str, Any], file: str = "base.json") -> None:
    """Change what a predictor imports, with checksums that fit."""
    described = read_json(folder / file, "")
    block = described["settings"] if file == "base.json" else described["settings"]["base_model"]
    block |= {"target": target, "options": options}
    write_json(folder / file, described)
    settings = read_json(folder / SETTINGS, "")
    settings[DIGESTS][file] = digest((folder / file).read_bytes())
    write_json(folder / SETTINGS, settings)


def test_a_predictor_that_was_tampered_with_runs_nothing(folder: Path, tmp_path: Path) -> None:
    written = tmp_path / "written"
    tamper(folder, "subprocess:check_output", {"args": ["touch", str(written)]})
    with pytest.raises(UserError, match="the predictor imports subprocess:check_output"):
        Predictor.load(folder)
    with pytest.raises(UserError, match="It was not called"):
        Predictor.load(folder, allow_modules=["subprocess", "subprocess:check_output"])
    assert not written.exists()


def test_a_refiner_that_names_a_base_model_runs_nothing_either(folder: Path, tmp_path: Path) -> None:
    base = build_base_model(ModuleSettings(kind="module", target="torch.nn:Conv2d", options=CONVOLUTION))
    settings = BaseNetworkSettings(network="base_network", base_model=base.settings.model_dump(mode="json"))
    refiner = BaseNetwork(settings, base)  # type: ignore[arg-type]
    other = tmp_path / "other"
    Predictor(base, refiner, PredictorSettings(image_size=64)).save(other)  # type: ignore[arg-type]
    written = tmp_path / "written"
    tamper(other, "os:mkdir", {"path": str(written)}, "refiner.json")
    with pytest.raises(UserError, match="the predictor imports os:mkdir"):
        Predictor.load(other, ["torch"])
    assert not written.exists()


def test_an_allowed_predictor_is_the_one_that_was_saved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = read_json(folder / "base.json", "")
    loaded = Predictor.load(folder, allow_modules=["torch.nn"])
    assert loaded.base.settings.model_dump(mode="json") == described["settings"]
    monkeypatch.setenv(VARIABLE, "torch")
    assert Predictor.load(folder).digest == loaded.digest


def test_predictors_without_modules_need_no_permission(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "model")
    assert Predictor.load(tmp_path / "model").digest == predictor.digest


@pytest.mark.parametrize("command", ["refine", "suggest", "export"])
def test_commands_say_what_to_allow(command: str, folder: Path, photos: Path, tmp_path: Path) -> None:
    arguments = [
        *([] if command == "export" else [str(photos)]),
        "--model",
        str(folder),
        "--out",
        str(tmp_path / "out"),
    ]
    found = CliRunner().invoke(prn, [command, *arguments])
    assert found.exit_code == 1
    assert found.output.startswith("Error: the predictor imports torch.nn:Conv2d")
    assert "--allow-module torch.nn" in found.output
    assert not (tmp_path / "out").exists()


def test_refine_imports_what_it_is_allowed_to(folder: Path, photos: Path, tmp_path: Path) -> None:
    arguments = ["refine", str(photos), "--model", str(folder), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(prn, [*arguments, "--allow-module", "torch.nn"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    assert (tmp_path / "out" / "masks" / "a.png").is_file()


def test_a_server_says_which_variable_to_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prn_pipeline.promotion.served_model import ServedPredictor

    context: Any = SimpleNamespace(artifacts={ARTEFACT: str(folder)})
    with pytest.raises(UserError, match=f"{VARIABLE}=torch.nn in its environment"):
        ServedPredictor().load_context(context)
    monkeypatch.setenv(VARIABLE, "torch.nn")
    ServedPredictor().load_context(context)
