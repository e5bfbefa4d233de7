"""One run of the whole pipeline, from raw data to the report."""

import json
import subprocess
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.small_project import SMALL, merged
from prn_pipeline.commands.user_errors import as_user_error
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.errors import UserError
from prn_pipeline.layout.scopes import SCOPE_OF
from tests.integration.conftest import mistake_of, run_pipelines

RUN = "synthetic_roads/unet_resnet18_small/prn/seed-0"
BASE = "synthetic_roads/unet_resnet18_small/seed-0"
METHODS = [
    *("base", "tuned_threshold", "rankseg", "components", "components_tuned"),
    *("tta", "tta_tuned", "tta_rankseg", "tta_scales", "tta_scales_tuned", "refined", "patch_oracle"),
]
#: Without the report, which no score depends on, and whose figures take longest.
UP_TO_EVALUATION = list(SCOPE_OF)[:-1]


def scores_of(project: Path) -> dict[str, Any]:
    return json.loads((project / "metrics" / f"{RUN}.json").read_text())


def test_a_run_writes_every_artefact_with_its_shape_and_dtype(finished: Path) -> None:
    data = finished / "data"
    manifest = pd.read_parquet(data / "02_intermediate/synthetic_roads/manifest.parquet")
    assert len(manifest) == 18
    assert {"sample_id", "sha256", "native_height", "native_width", "split", "group", "fold"} <= set(manifest)
    expected = {
        "02_intermediate/synthetic_roads/samples.zarr": {
            "images": ((18, 64, 64, 3), "uint8"),
            "masks": ((18, 64, 64), "uint8"),
        },
        f"04_feature/{BASE}/logits.zarr": {
            "logits": ((18, 64, 64), "float16"),
            "tta": ((18, 2, 64, 64), "float16"),
            "tta_scales": ((18, 64, 64), "float16"),
            "features": ((18, 16, 32, 32), "float16"),
        },
        f"05_model_input/{BASE}/pseudo_labels.zarr": {
            "labels": ((18, 64, 64), "uint8"),
            "thresholds": ((18, 4, 4), "float32"),
        },
        f"07_model_output/{RUN}/refined.zarr": {"logits": (((manifest.split == "test").sum(), 64, 64), "float16")},
    }
    for path, arrays in expected.items():
        store = ArrayStore(data / path)
        for name, (shape, dtype) in arrays.items():
            assert store.shape(name) == shape, path
            assert store.read(name, [0]).dtype == dtype, path
    for path in (
        f"{BASE}/base.safetensors",
        f"{BASE}/base.json",
        f"{RUN}/refiner.safetensors",
        f"{RUN}/prn_history.csv",
    ):
        assert (data / "06_models" / path).is_file()
    assert not list(finished.rglob("*.partial*")), "a temporary file is left"
    assert not list((data / "06_models" / "checkpoints").iterdir()), "finished trainings keep no checkpoints"


def test_scores_have_every_method_and_every_metric(finished: Path) -> None:
    scores = scores_of(finished)
    assert [name for name in scores if name not in ("base_predicts", "map_warnings", "doubted_maps")] == [
        "schema",
        "dataset",
        "base_model",
        "refiner",
        "seed",
        "resolution",
        "n_test",
        "n_independent",
        "video",
        "boundary_band_share",
        "methods",
        "gain",
        "base_training",
        "settings",
        "guard",
        "cost",
        "seconds",
        "memory_mib",
        "checksum",
    ]
    assert list(scores["methods"]) == METHODS
    measures = {"iou_micro", "iou_macro", "dice", "precision", "recall", "boundary_iou", "mae", "iou_micro_ci95"}
    for method in scores["methods"].values():
        assert measures <= set(method)
    assert set(scores["gain"]) == {
        *(f"vs_{method}" for method in METHODS[:-2]),
        "vs_best_free",
        "images_worse_pct",
    }
    stages = {"ingestion", "base_training", "logit_caching", "pseudo_labelling", "prn_training", "evaluation"}
    assert set(scores["seconds"]) == set(scores["memory_mib"]) == stages
    assert all(mib > 50 for mib in scores["memory_mib"].values())
    assert scores["cost"]["refiner"].pop("base_passes") == 3
    for cost in scores["cost"].values():
        assert cost["parameters"] > 0
        assert cost["milliseconds"] > 0
    assert scores["cost"]["base"]["gflop"] > 0
    corrects = scores["guard"]["strength"] > 0
    assert (scores["cost"]["refiner"]["gflop"] > 0) is corrects, "a guard that applies no correction runs no network"
    assert set(scores["guard"]) == {
        *("start", "strength", "shift", "rankseg"),
        *("out_of_fold_base", "out_of_fold_free", "out_of_fold_refined"),
    }
    oracle = scores["methods"]["patch_oracle"]["iou_micro"]
    assert oracle >= max(scores["methods"][m]["iou_micro"] for m in ("base", "tuned_threshold"))


def test_base_and_refined_iou_equal_those_computed_from_the_stores(finished: Path) -> None:
    manifest = pd.read_parquet(finished / "data/02_intermediate/synthetic_roads/manifest.parquet")
    rows = np.flatnonzero(manifest.split == "test")
    masks = ArrayStore(finished / "data/02_intermediate/synthetic_roads/samples.zarr").read("masks", rows) == 1
    for method, store, chosen in (
        ("base", ArrayStore(finished / f"data/04_feature/{BASE}/logits.zarr"), rows),
        ("refined", ArrayStore(finished / f"data/07_model_output/{RUN}/refined.zarr"), np.arange(len(rows))),
    ):
        predicted = store.read("logits", chosen) > 0
        expected = (predicted & masks).sum() / (predicted | masks).sum()
        assert scores_of(finished)["methods"][method]["iou_micro"] == pytest.approx(expected)


def test_pseudo_labels_exclude_test_samples(finished: Path) -> None:
    maps = pd.read_parquet(finished / f"data/04_feature/{BASE}/map_manifest.parquet")
    labels = ArrayStore(finished / f"data/05_model_input/{BASE}/pseudo_labels.zarr").read("labels", slice(None))
    labelled = (labels != 255).any(axis=(1, 2))
    assert (labelled == (maps["split"] != "test")).all()
    assert (maps["model"] == "base").all()
    assert (maps["seen_in_training"] == (maps["split"] == "train")).all()


def test_the_report_is_one_self_contained_file(finished: Path) -> None:
    report = (finished / f"data/08_reporting/{RUN}/report.html").read_text()
    assert "synthetic_roads" in report
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert len(list((finished / f"data/08_reporting/{RUN}/figures").glob("*.png"))) >= 7


def test_mlflow_has_one_run_with_a_child_for_each_training(finished: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{finished / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("prn_pipeline")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (run,) = [run for run in runs if run.data.tags.get("role") == "run"]
    children = {run.data.tags["stage"]: run for run in runs if run.data.tags.get("role") == "training"}
    assert set(children) == {"train_base", "train_prn"}, "holdout trains no fold models"
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {run.info.run_id}
    names = {child.info.run_name for child in children.values()}
    assert names == {f"train_base {BASE}", f"train_prn {RUN}"}, "what is trained, and on what"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert run.data.tags["dataset"] == "synthetic_roads"
    assert len(run.data.tags["git_commit"]) == 40
    assert run.data.tags["data_identity"].endswith("-64")
    assert run.data.params["run.refiner.detail_width"] == "4"
    assert run.data.metrics["methods.refined.iou_micro"] == pytest.approx(
        scores_of(finished)["methods"]["refined"]["iou_micro"]
    )
    assert "gain.vs_base.ci95.0" in run.data.metrics
    epochs = client.get_metric_history(children["train_prn"].info.run_id, "val_iou_micro")
    assert [metric.step for metric in epochs] == [1, 2]
    artefacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "scores.json", "data.json", "figures"} <= artefacts


def test_every_mlflow_run_has_system_metrics_however_short_it_was(finished: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{finished / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert len(runs) == 3, "the run, and a child for each training"
    for run in runs:
        assert "system/cpu_utilization_percentage" in run.data.metrics, run.data.tags["role"]


def test_a_run_changes_no_tracked_file_and_adds_scores_only(finished: Path) -> None:
    status = ["git", "status", "--porcelain", "--untracked-files=normal"]
    done = subprocess.run(status, cwd=finished, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["?? metrics/"], "data, models, reports and MLflow's files are ignored"


def test_stages_run_one_by_one_join_the_mlflow_run_of_their_scope(project: Path) -> None:
    for stage in SCOPE_OF:
        run_pipelines(project, [stage])
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("prn_pipeline")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], filter_string="tags.dataset = 'synthetic_roads'")
    parents = {run.data.tags["role"]: run for run in runs if run.data.tags["role"] != "training"}
    assert {role: run.info.run_name for role, run in parents.items()} == {
        "dataset": "synthetic_roads",
        "base": BASE,
        "run": RUN,
    }
    trainings = {
        run.data.tags["stage"]: run.data.tags["mlflow.parentRunId"] for run in runs if run not in parents.values()
    }
    assert trainings == {"train_base": parents["base"].info.run_id, "train_prn": parents["run"].info.run_id}
    assert "refiner" not in parents["base"].data.tags
    assert {run.data.tags["data_identity"] for run in parents.values()} == {parents["run"].data.tags["data_identity"]}


def test_crossfit_trains_the_refiner_on_out_of_fold_maps(project: Path) -> None:
    crossfit = {"logit_caching": {"protocol": "crossfit"}}
    run_pipelines(project, UP_TO_EVALUATION[:-1], **crossfit)
    maps = pd.read_parquet(project / f"data/04_feature/{BASE}/map_manifest.parquet")
    learned = maps[maps["split"] != "test"]
    assert (learned["model"] == "fold-" + learned["fold"].astype(str)).all()
    assert (maps[maps["split"] == "test"]["model"] == "base").all()
    assert not maps["seen_in_training"].any()
    labels = ArrayStore(project / f"data/05_model_input/{BASE}/pseudo_labels.zarr").read("labels", slice(None))
    assert ((labels != 255).any(axis=(1, 2)) == (maps["split"] != "test")).all()
    folds = {file.name for file in (project / f"data/06_models/{BASE}/folds").glob("*.safetensors")}
    assert folds == {"fold-0.safetensors", "fold-1.safetensors", "fold-2.safetensors"}


def test_two_runs_from_scratch_have_identical_scores(finished: Path, project: Path) -> None:
    run_pipelines(project, UP_TO_EVALUATION)
    first, second = scores_of(finished), scores_of(project)
    for scores in (first, second):
        assert scores.pop("seconds")
        assert scores.pop("memory_mib")
        assert scores.pop("checksum")
        assert all(cost.pop("milliseconds") for cost in scores["cost"].values())
        assert all("under_load" in cost for cost in scores["cost"].values())
        for cost in scores["cost"].values():
            del cost["under_load"]  # of the machine, as the milliseconds are
    assert first == second


def test_a_val_split_too_small_for_the_refiner_is_refused_before_the_base_model_is_trained(project: Path) -> None:
    few = {"synthetic_roads": {"synthetic": {"count": 9}}}
    assert "has 2 groups of images there, 3 are needed" in mistake_of(project, datasets=few)
    assert not (project / "data/06_models").exists()


#: A refiner that cannot do without TTA.
WITH_TTA: dict[str, Any] = {"refiners": {"prn": {"inputs": ["tta"], "inputs_if_available": []}}}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"base_model": "few_shot_resnet18"}, "needs labelled images of what to segment"),
        (WITH_TTA | {"logit_caching": {"keep": []}}, "reads tta, but logit_caching.keep is"),
        (
            WITH_TTA | {"base_model": "external"},
            "reads tta, which base model 'external' of kind maps does not have",
        ),
    ],
)
def test_a_refused_run_leaves_no_mlflow_run(project: Path, parameters: dict[str, Any], message: str) -> None:
    assert message in mistake_of(project, **parameters)
    assert mlflow_runs(project) == []


def test_a_refiner_refused_for_a_small_val_split_leaves_no_mlflow_run_where_samples_exist(project: Path) -> None:
    few = {"synthetic_roads": {"synthetic": {"count": 9}}}
    run_pipelines(project, ["ingestion"], datasets=few)
    before = mlflow_runs(project)
    assert "has 2 groups of images there, 3 are needed" in mistake_of(project, ["prn_training"], datasets=few)
    assert mlflow_runs(project) == before


def mlflow_runs(project: Path) -> list[str]:
    """Ids of all MLflow runs of the project."""
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return sorted(run.info.run_id for run in client.search_runs(experiments))


def test_a_stage_without_its_input_names_the_pipeline_to_run(project: Path) -> None:
    with pytest.raises(Exception, match="samples") as caught:
        run_pipelines(project, ["prn_training"])
    assert "samples.zarr: run the pipeline" in str(as_user_error(caught.value))


def test_maps_made_from_other_samples_are_refused(finished: Path, project: Path) -> None:
    run_pipelines(project, ["ingestion"], datasets={"synthetic_roads": {"synthetic": {"seed": 5}}})
    (project / "data/04_feature").symlink_to(finished / "data/04_feature")
    with pytest.raises(UserError, match="was not made from the samples"):
        run_pipelines(project, ["pseudo_labelling"])


def test_a_run_name_in_a_parameters_file_is_refused_because_catalog_paths_ignore_it(project: Path) -> None:
    (project / "conf" / "local" / "parameters.yml").write_text("refiner: prn_paper\n")
    bootstrap_project(project)
    with (
        KedroSession.create(project, runtime_params=merged(SMALL, {})) as session,
        pytest.raises(UserError, match="globals"),
    ):
        session.run()
