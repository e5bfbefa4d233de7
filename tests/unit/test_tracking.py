"""What MLflow runs record: hashes of DVC and system metrics."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from prn_pipeline.processes.owners import this_process
from prn_pipeline.tracking.dead_runs import close_runs_of_dead_processes
from prn_pipeline.tracking.mlflow_run import MlflowRun
from prn_pipeline.tracking.system_metrics import enable_system_metrics, log_final_sample
from tests.unit.test_parameters import load

LOCK = """
stages:
  ingestion@synthetic_roads:
    outs: [{path: data/02_intermediate/synthetic_roads/samples.zarr, md5: first}]
  ingestion@drive:
    outs: [{path: data/02_intermediate/drive/samples.zarr, md5: of another}]
  prn_training@synthetic_roads-unet_resnet18_small-prn-0:
    outs: [{path: data/06_models/synthetic_roads/unet_resnet18_small/prn/seed-0/refiner.json, md5: second}]
  evaluation@synthetic_roads-unet_resnet18_small-prn-0:
    outs: [{path: metrics/synthetic_roads/unet_resnet18_small/prn/seed-0.json, md5: of its last run}]
"""


def test_hashes_are_those_of_the_inputs_and_not_of_outputs_in_the_making(
    tmp_path: Path, tracking_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text(LOCK)
    mlflow.set_tracking_uri(tracking_store)
    mlflow.set_experiment("hashes")
    tracked = MlflowRun(load(), tmp_path)
    mlflow.disable_system_metrics_logging()
    with mlflow.start_run() as run:
        tracked.log_lock({"evaluation", "reporting"})
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert {name: value for name, value in tags.items() if name.startswith("dvc.")} == {
        "dvc.ingestion.samples.zarr": "first",
        "dvc.prn_training.refiner.json": "second",
    }


def test_a_run_that_ends_at_once_has_a_sample_and_a_resumed_one_gets_the_next_step(
    tmp_path: Path, tracking_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(tracking_store)
    mlflow.set_experiment("samples")
    log_final_sample()  # without an active run there is nothing to log to
    enable_system_metrics()
    try:
        with mlflow.start_run() as run:
            log_final_sample()
        with mlflow.start_run(run.info.run_id):
            log_final_sample()
    finally:
        mlflow.disable_system_metrics_logging()
    samples = mlflow.MlflowClient().get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    assert [sample.step for sample in samples] == [0, 1]


LEAVE_OPEN = """
import os, sys, mlflow
from prn_pipeline.processes.owners import this_process
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("kept")
parent = mlflow.start_run(run_name="killed", tags=this_process())
mlflow.start_run(run_name="training", nested=True, tags=this_process())
os._exit(9)
"""


def test_runs_of_a_killed_process_are_closed_and_those_of_living_and_distant_ones_stay(
    tmp_path: Path, tracking_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    uri = tracking_store
    client = mlflow.MlflowClient(uri)
    kept = client.create_experiment("kept")
    subprocess.run([sys.executable, "-c", LEAVE_OPEN, uri], cwd=tmp_path, check=False)
    old = {"process.start": "1"}  # another process had this number before
    distant = {"process.machine": "elsewhere/1", "process.pid": "999999999"}
    for name, tags in {
        "living": this_process(),
        "reused": this_process() | old,
        "elsewhere": this_process() | distant,
        "of an earlier version": {},
    }.items():
        client.create_run(kept, run_name=name, tags=tags)
    close_runs_of_dead_processes(uri, "kept")
    found = {run.info.run_name: run.info.status for run in client.search_runs([kept])}
    assert found == {
        "killed": "KILLED",
        "training": "KILLED",
        "reused": "KILLED",
        "living": "RUNNING",
        "elsewhere": "RUNNING",
        "of an earlier version": "RUNNING",
    }
    assert "3 MLflow runs of killed processes are closed as KILLED" in caplog.text
    close_runs_of_dead_processes(uri, "no such experiment")
