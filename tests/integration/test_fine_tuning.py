"""The base model's own network, trained on, goes through the same stages and into the same tables as any refiner."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.sweep.leaderboard import write_leaderboard
from prn_pipeline.sweep.lists import Lists
from tests.integration.conftest import mistake_of, run_pipelines

pytestmark = pytest.mark.long

SHORT: dict[str, Any] = {
    "refiners": {name: {"training": {"epochs": 1, "steps_per_epoch": 2}} for name in ("fine_tune", "train_longer")},
    "prn_training": {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4},
}
SHARED = ["ingestion", "base_training", "logit_caching", "pseudo_labelling"]
OWN = ["prn_training", "evaluation", "reporting"]
BASE = "synthetic_roads/unet_resnet18_small"


def test_both_go_from_training_to_leaderboard_registry_and_predictor(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_pipelines(project, SHARED)
    for refiner in ("fine_tune", "train_longer"):
        run_pipelines(project, OWN, refiner=refiner, **SHORT)
        scores = json.loads((project / f"metrics/{BASE}/{refiner}/seed-0.json").read_text())
        assert scores["cost"]["refiner"]["gflop"] == pytest.approx(4 * scores["cost"]["base"]["gflop"], rel=1e-3)
        assert scores["cost"]["refiner"]["base_passes"] == -1
        assert scores["seconds"]["prn_training"] > 0
        assert scores["methods"]["refined"]["iou_micro"] != scores["methods"]["base"]["iou_micro"]
        report = (project / f"data/08_reporting/{BASE}/{refiner}/seed-0/report.html").read_text()
        assert refiner in report
    history = pd.read_csv(project / f"data/06_models/{BASE}/train_longer/seed-0/prn_history.csv")
    assert len(history) == 3, "two epochs of the base model and one more"

    names = {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "seed": 0}
    lists = Lists(**{f"{name}s": [value] for name, value in names.items()}, refiners=["fine_tune", "train_longer"])
    made, _ = write_leaderboard(lists, project)
    added = {standing.method: standing.parameters for standing in made.standings if standing.kind == "refined"}
    assert added == {"fine_tune": 0, "train_longer": 0}

    run_pipelines(project, ["promotion"], refiner="fine_tune", **SHORT)
    predictor = Predictor.load(project / f"data/06_models/{BASE}/fine_tune/seed-0/predictor")
    assert isinstance(predictor.base, BaseModel)
    monkeypatch.setattr(predictor.base, "forward", None)
    test = pd.read_parquet(project / "data/02_intermediate/synthetic_roads/manifest.parquet")["split"] == "test"
    images = ArrayStore(project / "data/02_intermediate/synthetic_roads/samples.zarr").read(
        "images", np.flatnonzero(test)
    )
    refined = ArrayStore(project / f"data/07_model_output/{BASE}/fine_tune/seed-0/refined.zarr")
    found = predictor.logits(images).refined[:, 0]
    np.testing.assert_allclose(found, refined.read("logits", slice(None)), rtol=2e-3, atol=2e-3)


def test_maps_of_another_program_are_refused_before_anything_runs(project: Path) -> None:
    found = mistake_of(project, base_model="external", refiner="fine_tune")
    assert found == (
        "refiner 'fine_tune' trains the network of the base model, but base model 'external' (kind maps) has maps only"
        " and no network: use another refiner, such as prn_maps"
    )
    assert not (project / "data/02_intermediate").exists()
