"""A base model that two processes train is one run in MLflow and leaves no checkpoints."""

from pathlib import Path

import mlflow
import pandas as pd
import pytest

from tests.integration.conftest import mistake_of, run_pipelines

pytestmark = pytest.mark.long

BASE = "data/06_models/synthetic_roads/unet_resnet18_small/seed-0"


def test_two_processes_are_one_run(project: Path) -> None:
    run_pipelines(project, ["ingestion", "base_training"], base_training={"processes": 2, "accelerator": "cpu"})
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("prn_pipeline")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["role"] for run in runs) == ["base", "training"]
    (training,) = [run for run in runs if run.data.tags["role"] == "training"]
    epochs = client.get_metric_history(training.info.run_id, "val_iou_micro")
    history = pd.read_csv(project / BASE / "base_history.csv")
    assert [metric.step for metric in epochs] == history["epoch"].tolist() == [1, 2]
    assert [metric.value for metric in epochs] == history["val_iou_micro"].tolist()
    assert (project / BASE / "base.safetensors").is_file()
    assert not list((project / "data/06_models/checkpoints").iterdir())


def test_several_processes_for_a_refiner_are_rejected_before_anything_runs(project: Path) -> None:
    assert "Set both to 1" in mistake_of(project, prn_training={"processes": 2, "batch_size": 4})
    assert not (project / "data/02_intermediate").exists()
