"""DVC runs only what is stale, and moves artefacts to a remote and back."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import yaml

from benchmarks.small_project import copy_project, make_small
from prn_pipeline.sweep.failures import record_failed_stage
from prn_pipeline.sweep.lists import read_lists
from prn_pipeline.sweep.plan import plan

pytestmark = pytest.mark.long

RUN = "synthetic_roads/unet_resnet18_small/prn/seed-0"
REFINERS = ["prn", "bias_field"]


def command(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def change(file: Path, keys: list[str], value: object) -> None:
    """Set one value in a YAML file."""
    settings = yaml.safe_load(file.read_text())
    inner = settings
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    file.write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module", autouse=True)
def _path(warm_path: str) -> Iterator[None]:
    """The commands of this environment, of which `kedro` and `prn` start at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", warm_path)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with small settings in its own configuration files, after one `dvc repro` of two runs."""
    folder = make_small(copy_project(tmp_path_factory.mktemp("dvc") / "project"))
    change(folder / "conf/base/benchmark.yml", ["refiners"], REFINERS)
    command(folder, "dvc", "repro")
    return folder


def changed_stages(folder: Path) -> list[str]:
    """Stages that have changed themselves, without those that only follow one."""
    return sorted(one.address for one in plan(read_lists(folder), folder) if one.reason)


def test_shared_stages_run_once(reproduced: Path) -> None:
    recorded = list(yaml.safe_load((reproduced / "dvc.lock").read_text())["stages"])
    base, runs = (
        "@synthetic_roads-unet_resnet18_small-0",
        [f"@synthetic_roads-unet_resnet18_small-{r}-0" for r in REFINERS],
    )
    assert sorted(recorded) == sorted(
        [
            "ingestion@synthetic_roads",
            *(f"{stage}{base}" for stage in ("base_training", "logit_caching", "pseudo_labelling")),
            *(f"{stage}{run}" for stage in ("prn_training", "evaluation", "reporting") for run in runs),
        ]
    )


def test_a_second_repro_runs_nothing(reproduced: Path) -> None:
    before = (reproduced / "dvc.lock").read_text()
    printed = command(reproduced, "dvc", "repro")
    assert "Running stage" not in printed
    assert "up to date" in printed
    assert (reproduced / "dvc.lock").read_text() == before


@pytest.mark.parametrize(
    ("file", "keys", "value", "stale"),
    [
        ("parameters_prn_training.yml", ["prn_training", "epochs"], 3, ["prn_training-prn", "prn_training-bias_field"]),
        ("parameters_refiners.yml", ["refiners", "prn", "pseudo_label_weight"], 0.25, ["prn_training-prn"]),
        ("parameters_refiners.yml", ["refiners", "prn_paper", "width"], 16, []),
        ("parameters_evaluation.yml", ["evaluation", "resamples"], 300, ["evaluation-prn", "evaluation-bias_field"]),
        ("parameters_reporting.yml", ["reporting", "gallery_rows"], 2, ["reporting-prn", "reporting-bias_field"]),
        ("benchmark.yml", ["refiners"], [*REFINERS, "prn_maps"], ["prn_training-prn_maps"]),
    ],
)
def test_a_change_makes_stale_the_stages_that_depend_on_it_and_none_before_them(
    reproduced: Path, file: str, keys: list[str], value: object, stale: list[str]
) -> None:
    path = reproduced / "conf" / "base" / file
    before = path.read_text()
    try:
        change(path, keys, value)
        assert changed_stages(reproduced) == sorted(
            f"{stage}@synthetic_roads-unet_resnet18_small-{refiner}-0"
            for stage, refiner in (name.split("-") for name in stale)
        )
    finally:
        path.write_text(before)


def test_a_plan_tells_results_without_a_record_from_results_that_differ_from_it(reproduced: Path) -> None:
    lock, scores = reproduced / "dvc.lock", reproduced / "metrics" / f"{RUN}.json"
    before = {file: file.read_text() for file in (lock, scores)}
    address = "evaluation@synthetic_roads-unet_resnet18_small-prn-0"
    try:
        scores.write_text(before[scores] + "\n")
        reasons = {one.address: one.reason for one in plan(read_lists(reproduced), reproduced)}
        assert reasons[address] == "its outputs differ from dvc.lock"
        scores.write_text(before[scores])
        recorded = yaml.safe_load(before[lock])
        del recorded["stages"][address]
        lock.write_text(yaml.safe_dump(recorded))
        reasons = {one.address: one.reason for one in plan(read_lists(reproduced), reproduced)}
        assert reasons[address] == "no record in dvc.lock: made by kedro run"
        lock.unlink()
        reasons = {one.address: one.reason for one in plan(read_lists(reproduced), reproduced)}
        assert set(reasons.values()) == {"no record in dvc.lock: made by kedro run"}, "as after a plain kedro run"
    finally:
        for file, text in before.items():
            file.write_text(text)


@pytest.mark.slow
def test_a_committed_run_is_verified_in_a_copy_that_touches_no_result_of_the_project(reproduced: Path) -> None:
    committed = reproduced / "benchmarks/results"
    (committed / RUN).parent.mkdir(parents=True)
    shutil.copy(reproduced / f"metrics/{RUN}.json", committed / f"{RUN}.json")
    shutil.copy(reproduced / "dvc.lock", committed)
    results = [reproduced / "dvc.lock", reproduced / "mlflow.db", reproduced / f"metrics/{RUN}.json"]
    before = [file.read_bytes() for file in results], sorted((reproduced / "data").rglob("*"))
    printed = command(reproduced, "prn", "verify", RUN)
    assert "All scores agree to the last digit." in printed
    assert "All recorded hashes agree" in printed
    assert ([file.read_bytes() for file in results], sorted((reproduced / "data").rglob("*"))) == before


def test_a_plan_estimates_a_new_stage_from_similar_ones(reproduced: Path) -> None:
    path = reproduced / "conf" / "base" / "benchmark.yml"
    before = path.read_text()
    try:
        change(path, ["refiners"], [*REFINERS, "prn_maps"])
        change(path, ["seeds"], [0, 1])
        stages = {one.address: one for one in plan(read_lists(reproduced), reproduced)}
    finally:
        path.write_text(before)
    base = "synthetic_roads-unet_resnet18_small"
    assert not any(address.endswith(("-prn-0", "-bias_field-0")) for address in stages), "they are up to date"
    assert stages[f"base_training@{base}-1"].reason == "no results here yet"
    assert stages[f"evaluation@{base}-prn-1"].reason == ""
    recorded = json.loads((reproduced / f"data/08_reporting/{RUN}/stage_costs.json").read_text())
    estimate = stages[f"prn_training@{base}-prn-1"]
    assert (estimate.seconds, estimate.exact) == (recorded["prn_training"]["seconds"], False)
    assert estimate.bytes is not None
    assert estimate.bytes > 1000


def test_failed_runs_are_reported_and_the_others_finish(reproduced: Path) -> None:
    """Kedro refuses one run, and DVC does not start the other."""
    lists, refiners = (reproduced / "conf" / "base" / file for file in ("benchmark.yml", "parameters_refiners.yml"))
    before = {path: path.read_text() for path in (lists, refiners)}
    try:
        change(lists, ["refiners"], ["prn_broken", "prn_unknown", "prn_maps"])
        change(refiners, ["refiners", "prn_broken"], {"network": "region_detail", "detail_width": -1})
        printed = command(reproduced, "prn", "benchmark", "--jobs", "2", code=1)
    finally:
        for path, text in before.items():
            path.write_text(text)
    assert "refiner 'prn_unknown' is not in conf/base/parameters_refiners.yml" in printed
    failures = {
        "prn_broken": "refiners.prn_broken.detail_width = -1",
        "prn_unknown": "'refiners.prn_unknown' are missing",
    }
    page = (reproduced / "data/08_reporting/leaderboard/leaderboard.html").read_text()
    for refiner, message in failures.items():
        folder = reproduced / "data/08_reporting" / RUN.replace("/prn/", f"/{refiner}/")
        failure = json.loads((folder / "failure.json").read_text())
        assert failure["stage"] == "prn_training"
        assert message in failure["message"]
        assert refiner in printed
        assert message.replace("'", "&#39;") in page
    assert (reproduced / "metrics" / f"{RUN.replace('/prn/', '/prn_maps/')}.json").is_file()
    runs = mlflow.MlflowClient(f"sqlite:///{reproduced / 'mlflow.db'}")
    experiment = runs.get_experiment_by_name("prn_pipeline")
    assert experiment is not None
    kept, *_ = runs.search_runs([experiment.experiment_id], filter_string="tags.role = 'benchmark'")
    assert [item.path for item in runs.list_artifacts(kept.info.run_id, "leaderboard")] == [
        f"leaderboard/leaderboard.{kind}" for kind in ("csv", "html", "md")
    ]


def test_a_failure_is_removed_if_dvc_restores_the_results_from_its_cache(reproduced: Path) -> None:
    """Then no stage starts that would remove its failure itself."""
    names = {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "refiner": "prn", "seed": 0}
    record_failed_stage("evaluation@x", "evaluation", names, "exited with -9", reproduced)
    record = reproduced / "data/08_reporting" / RUN / "failure.json"
    assert record.is_file()
    printed = command(reproduced, "prn", "leaderboard")
    assert "failed" not in printed
    assert not record.exists()


def test_dvc_shows_metrics_and_plots(reproduced: Path, tmp_path: Path) -> None:
    shown = json.loads(command(reproduced, "dvc", "metrics", "show", "--json").strip())
    scores = shown[""]["data"][f"metrics/{RUN}.json"]["data"]
    assert 0 <= scores["methods"]["refined"]["iou_micro"] <= 1
    command(reproduced, "dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "prn_history.csv" in page
    assert "val_iou_micro" in page


def test_artefacts_go_to_a_remote_and_come_back(reproduced: Path, tmp_path: Path) -> None:
    command(reproduced, "dvc", "remote", "add", "--force", "--default", "storage", str(tmp_path / "remote"))
    command(reproduced, "dvc", "push")
    before = {path: (reproduced / path).read_bytes() for path in [f"data/06_models/{RUN}/refiner.safetensors"]}
    for folder in ("02_intermediate", "04_feature", "05_model_input", "06_models", "07_model_output", "08_reporting"):
        shutil.rmtree(reproduced / "data" / folder)
    shutil.rmtree(reproduced / ".dvc" / "cache")
    command(reproduced, "dvc", "pull")
    assert all((reproduced / path).read_bytes() == content for path, content in before.items())
    assert changed_stages(reproduced) == []
