"""A predictor replaces the registry's champion only if it is better."""

import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR
from mlflow.tracking import MlflowClient

from benchmarks.small_project import merged
from prn_pipeline.comparison.table import names
from prn_pipeline.errors import UserError
from prn_pipeline.io.predictor import PredictorDataset
from prn_pipeline.promotion.marks import BROKEN, CHAMPION
from prn_pipeline.promotion.registering import register
from prn_pipeline.promotion.registry import ChampionChangedError, Registry
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from tests.integration.conftest import mistake_of, run_pipelines
from tests.unit.serving.conftest import random_predictor

pytestmark = pytest.mark.long

RUN = "synthetic_roads/unet_resnet18_small/prn/seed-0"
REFINER = Path("data/06_models") / RUN / "refiner.safetensors"
#: For four test images. With so few, the least p is 1/16.
EASY = {
    "promotion": {
        "comparison": {"smallest_slice": 4, "smallest_test": 4, "level": 0.9, "margin": 0.0},
        "first_champion": {"least_iou": 0.0, "checks": []},
    }
}


@pytest.fixture
def project(finished: Path, empty_tracking_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a finished run and a registry of its own."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True, ignore=shutil.ignore_patterns("mlflow.db", "mlruns"))
    shutil.copy(empty_tracking_store, folder)
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    return folder


def promote(project: Path, **parameters: Any) -> dict[str, Any]:
    run_pipelines(project, ["promotion"], **merged(EASY, parameters))
    return json.loads((project / "data/08_reporting" / RUN / "promotion.json").read_text())


def shift_refiner(project: Path, by: float) -> None:
    """Replace the refiner by one that shifts all logits by another amount."""
    from prn_pipeline.io.modules import ModuleDataset

    stored = ModuleDataset(filepath=str(project / REFINER), rebuild="prn_pipeline.refinement.registry:rebuild_refiner")
    refiner = stored.load()
    with torch.no_grad():
        refiner.selected[-1] += by  # type: ignore[operator, index]
    stored.save(refiner)


def champion() -> str | None:
    found = Registry("synthetic_roads").aliased(CHAMPION)
    return found and str(found.version)


def test_only_a_better_predictor_is_promoted(project: Path) -> None:
    shift_refiner(project, -3)
    first = promote(project)
    assert (first["outcome"], first["promoted"], champion()) == ("first", True, "1")
    assert first["vs_best_free"]["method"] in names("baseline", "base")
    assert promote(project)["outcome"] == "same"
    assert len(Registry("synthetic_roads").versions()) == 1, "the same predictor is registered once"

    shift_refiner(project, +3)
    better = promote(project)
    assert (better["outcome"], better["promoted"], champion()) == ("promoted", True, "2")
    assert better["gain"]["ci95"][0] > 0
    assert better["iou_micro"]["challenger"] > better["iou_micro"]["champion"]

    shift_refiner(project, -6)
    worse = promote(project)
    assert (worse["outcome"], worse["promoted"], champion()) == ("kept", False, "2")
    assert worse["gain"]["iou_micro"] < 0
    client = MlflowClient()
    assert client.get_model_version_by_alias("synthetic_roads", "challenger").version in (3, "3")

    assert Registry("synthetic_roads").roll_back() == ("2", "1")
    shift_refiner(project, +6)
    again = promote(project)
    assert (again["outcome"], again["promoted"], champion()) == ("taken_back", False, "1")
    newest = mlflow.search_runs(search_all_experiments=True, output_format="list")[0]
    assert newest.data.tags["promotion"] == "taken_back"


def test_the_registered_predictor_is_the_packed_one_and_lists_its_training_images(project: Path) -> None:
    promote(project)
    packed = PredictorDataset(filepath=str(project / "data/06_models" / RUN / "predictor")).load()
    registered = Predictor.load("models:/synthetic_roads@champion")
    assert registered.digest == packed.digest
    assert registered.settings.made_by == RUN
    card = (project / "data/06_models" / RUN / "model_card.md").read_text()
    assert "Measured on 4 test images" in card
    assert len(registered.settings.learned_from) == 14
    assert registered.reference is not None
    assert len(registered.reference.values) == 4
    pyfunc = mlflow.pyfunc.load_model("models:/synthetic_roads@champion")
    assert {spec.name for spec in pyfunc.metadata.get_input_schema().inputs} == {"image"}
    with pytest.raises(UserError, match="the model registry has no such model"):
        Predictor.load("models:/synthetic_roads/9")


def test_a_champion_that_cannot_be_loaded_is_named_and_can_be_replaced_by_hand(project: Path) -> None:
    promote(project)
    files = list((project / "mlruns").rglob("refiner.safetensors"))
    assert files
    for file in files:
        file.write_bytes(b"damaged")
    shift_refiner(project, +1)
    message = mistake_of(project, pipelines=["promotion"], **EASY)
    assert "the champion models:/synthetic_roads/1 cannot be loaded" in message
    assert "prn rollback synthetic_roads --to VERSION" in message
    assert champion() == "1"
    registry = Registry("synthetic_roads")
    assert registry.roll_back("2") == ("1", "2")
    registry.tag(registry.version("1"), BROKEN, "damaged")
    with pytest.raises(UserError, match=r"version 1 is broken \(damaged\)"):
        registry.roll_back("1")


def test_a_version_that_never_predicted_is_registered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed before it has loaded a version back leaves an unverified version."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = mlflow.create_experiment("proof", artifact_location=str(tmp_path / "artifacts"))
    predictor, image, registry = random_predictor(), np.zeros((64, 64, 3), np.uint8), Registry("proof")
    with mlflow.start_run(experiment_id=experiment):
        with monkeypatch.context() as patch:
            patch.setattr(mlflow.pyfunc, "load_model", killed)
            with pytest.raises(KeyboardInterrupt):
                register(registry, predictor, Item(image))
        assert [version.version for version in registry.versions()] == [1]
        assert registry.find(predictor.digest) is None
        register(registry, predictor, Item(image))
    found = registry.find(predictor.digest)
    assert found is not None
    assert found.version == 2


def test_an_error_of_the_registry_does_not_count_as_no_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next challenger would become the first champion."""

    def fails(*_: object) -> None:
        raise MlflowException("the server is down", error_code=INTERNAL_ERROR)

    monkeypatch.setattr(MlflowClient, "get_registered_model", fails)
    with pytest.raises(MlflowException, match="the server is down"):
        Registry("synthetic_roads").aliased(CHAMPION)


def test_a_challenger_that_was_compared_with_an_old_champion_is_not_promoted(project: Path) -> None:
    promote(project)
    registry = Registry("synthetic_roads")
    old = registry.aliased(CHAMPION)
    shift_refiner(project, +1)
    promote(project, **{"promotion": {"comparison": {"margin": 1.0}}})
    newer = registry.version("2")
    registry.promote(newer, old)
    with pytest.raises(ChampionChangedError, match="the champion is now version 2"):
        registry.promote(registry.version("1"), old)
    assert champion() == "2"


def _try(uri: str, results: "multiprocessing.Queue[str]") -> None:
    mlflow.set_tracking_uri(uri)
    registry = Registry("synthetic_roads")
    try:
        registry.promote(registry.version("1"), None)
        results.put("promoted")
    except ChampionChangedError:
        results.put("too late")


def test_only_one_of_simultaneous_promotions_succeeds(project: Path) -> None:
    promote(project)
    MlflowClient().delete_registered_model_alias("synthetic_roads", CHAMPION)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    attempts = [context.Process(target=_try, args=(mlflow.get_tracking_uri(), results)) for _ in range(3)]
    for process in attempts:
        process.start()
    for process in attempts:
        process.join()
    assert sorted(results.get() for _ in attempts) == ["promoted", "too late", "too late"]


def test_a_refiner_that_cannot_be_served_is_named(project: Path) -> None:
    run_pipelines(project, **{"refiners": {"prn": {"inputs": ["features", "images"]}}})
    message = mistake_of(project, pipelines=["promotion"], **{"refiners": {"prn": {"inputs": ["features", "images"]}}})
    assert "a refiner that reads features cannot be served" in message
