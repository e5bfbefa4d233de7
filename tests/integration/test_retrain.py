"""`prn retrain` runs and promotes only what has changed, one retraining at a time; with real DVC and a fake `kedro`."""

import json
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from filelock import FileLock

from benchmarks.small_project import PROJECT, copy_project
from prn_pipeline.commands import prn
from prn_pipeline.layout.places import PROJECT_LOCK, RETRAIN_REPORT
from prn_pipeline.processes.exit_codes import EXIT_CODES
from tests.conftest import shim_path

pytestmark = pytest.mark.long

RUN = "unet_resnet18_small/prn/seed-0"

#: Three of the project's stages; each copies its input.
STAGES = """
vars:
  - conf/base/benchmark.yml
stages:
  ingestion:
    matrix:
      dataset: ${datasets}
    cmd: kedro run --pipelines ingestion --params dataset=${item.dataset}
    deps:
      - data/01_raw/${item.dataset}
    outs:
      - data/02_intermediate/${item.dataset}
  base_training:
    matrix:
      dataset: ${datasets}
      base_model: ${base_models}
      seed: ${seeds}
    cmd: >-
      kedro run --pipelines base_training
      --params dataset=${item.dataset},base_model=${item.base_model},seed=${item.seed}
    deps:
      - data/02_intermediate/${item.dataset}
    outs:
      - data/06_models/${item.dataset}/${item.base_model}/seed-${item.seed}
  evaluation:
    matrix:
      dataset: ${datasets}
      base_model: ${base_models}
      refiner: ${refiners}
      seed: ${seeds}
    cmd: >-
      kedro run --pipelines evaluation
      --params dataset=${item.dataset},base_model=${item.base_model},refiner=${item.refiner},seed=${item.seed}
    deps:
      - data/06_models/${item.dataset}/${item.base_model}/seed-${item.seed}
    metrics:
      - metrics/${item.dataset}/${item.base_model}/${item.refiner}/seed-${item.seed}.json:
          cache: false
"""

#: Logs its arguments in `called`; promotes if the data contains "better". A file `broken-<stage>-<refiner>` makes it
#: fail, a file `slow-<stage>-<refiner>` makes it wait until a signal ends it.
KEDRO = """#!/bin/sh
stage=$3
for pair in $(echo "$5" | tr , ' '); do eval "$pair"; done
echo "$stage $dataset $refiner" >> called
if test -e "broken-$stage-$refiner"; then echo "Error: $stage is broken"; exit 1; fi
if test -e "slow-$stage-$refiner"; then touch started; sleep 600; fi
base=$dataset/$base_model/seed-$seed
run=$dataset/$base_model/$refiner/seed-$seed
case $stage in
  ingestion) mkdir -p data/02_intermediate && cat data/01_raw/$dataset/* > data/02_intermediate/$dataset ;;
  base_training) mkdir -p data/06_models/${base%/*} && cp data/02_intermediate/$dataset data/06_models/$base ;;
  evaluation) mkdir -p metrics/${run%/*} &&
    sed "1,6s/\\"refiner\\": .*/\\"refiner\\": \\"$refiner\\",/
      1,6s/\\"dataset\\": .*/\\"dataset\\": \\"$dataset\\",/" \\
      scores.json > metrics/$run.json ;;
  promotion)
    grep -q better data/06_models/$base && promoted=true || promoted=false
    mkdir -p data/08_reporting/$run && echo "{\\"promoted\\": $promoted}" > data/08_reporting/$run/promotion.json ;;
esac
"""


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=folder, check=True)


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name("dvc"), *arguments, "-q"], cwd=folder, check=True)


def add_raw_data(folder: Path) -> None:
    git(folder, "rm", "-rq", "--cached", "data/01_raw/synthetic_roads")  # or DVC leaves it to git
    dvc(folder, "add", "data/01_raw/synthetic_roads")


def retrain(*options: str) -> Result:
    """In this process, in the working directory."""
    return CliRunner().invoke(prn, ["retrain", *options], catch_exceptions=False)


def report() -> dict[str, object]:
    return json.loads(RETRAIN_REPORT.read_text())


def outcomes() -> dict[str, str]:
    """Refiner -> outcome of its run."""
    return {run["run"]["refiner"]: run["outcome"] for run in report()["runs"]}  # type: ignore[attr-defined]


def kedro_calls() -> list[str]:
    """Stage, data set and refiner of each call of `kedro` since this function was last called."""
    file = Path("called")
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [line.strip().replace("synthetic_roads", "roads") for line in lines]


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two runs after its first retraining; its `kedro` is beside it."""
    folder = copy_project(tmp_path_factory.mktemp("retrain") / "project")
    (folder / "dvc.yaml").write_text(STAGES)
    lists = folder / "conf/base/benchmark.yml"
    lists.write_text(yaml.safe_dump(yaml.safe_load(lists.read_text()) | {"refiners": ["prn", "prn_maps"]}))
    scores = json.loads((PROJECT / f"benchmarks/results/synthetic_roads/{RUN}.json").read_text())
    scores.pop("checksum", None)  # `KEDRO` changes the names
    (folder / "scores.json").write_text(json.dumps(scores, indent=2))
    (folder / "data/01_raw/synthetic_roads/first").write_text("better\n")
    kedro = folder.parent / "bin" / "kedro"
    kedro.parent.mkdir()
    kedro.write_text(KEDRO)
    kedro.chmod(kedro.stat().st_mode | stat.S_IEXEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", shim_path(kedro.parent))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("PRN_DATA_ROOT", raising=False)
        patch.chdir(folder)
        first = retrain()
        assert first.exit_code == 0, first.output
        assert first.output.splitlines()[-1] == "2 runs: 2 retrained, 2 promoted, 0 kept, 0 failed"
    return folder


@pytest.fixture
def project(retrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is also the working directory."""
    folder = tmp_path / "project"
    shutil.copytree(retrained, folder, symlinks=True)
    monkeypatch.setenv("PATH", shim_path(retrained.parent / "bin"))
    monkeypatch.delenv("PRN_DATA_ROOT", raising=False)
    monkeypatch.chdir(folder)
    (folder / "called").unlink(missing_ok=True)
    return folder


def new_data(content: str) -> None:
    raw = Path("data/01_raw/synthetic_roads")
    for old in raw.glob("*"):
        old.unlink()
    (raw / "image").write_text(content)


def test_the_first_retraining_runs_and_promotes_every_run(retrained: Path) -> None:
    assert sorted((retrained / "called").read_text().split("\n")) == sorted(
        [
            "",
            "ingestion synthetic_roads ",
            "base_training synthetic_roads ",
            *(f"{stage} synthetic_roads {r}" for stage in ("evaluation", "promotion") for r in ("prn", "prn_maps")),
        ]
    )
    found = json.loads((retrained / RETRAIN_REPORT).read_text())
    assert found["exit_code"] == 0
    assert found["started"] <= found["finished"]
    assert found["message"] == "2 runs: 2 retrained, 2 promoted, 0 kept, 0 failed"
    assert found["runs"][0] == {
        "run": {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "refiner": "prn", "seed": 0},
        "stages": ["ingestion", "base_training", "evaluation"],
        "outcome": "promoted",
        "failure": None,
        "why": None,
        "comparison": None,
    }
    assert (retrained / "data/08_reporting/leaderboard/leaderboard.html").is_file()


def test_nothing_is_done_if_nothing_has_changed(project: Path) -> None:
    files = [project / "dvc.lock", project / "data/08_reporting/leaderboard/leaderboard.html", project / "mlflow.db"]
    before = [file.stat().st_mtime_ns for file in files]
    done = retrain()
    assert (done.exit_code, kedro_calls()) == (0, [])
    assert done.output.splitlines()[-1] == "2 runs: 0 retrained, 0 promoted, 0 kept, 0 failed"
    assert [file.stat().st_mtime_ns for file in files] == before
    assert outcomes() == {"prn": "unchanged", "prn_maps": "unchanged"}


def test_new_data_is_trained_with_and_an_unbeaten_champion_is_kept(project: Path) -> None:
    new_data("worse\n")
    done = retrain()
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "2 runs: 2 retrained, 0 promoted, 2 kept, 0 failed"
    assert len(kedro_calls()) == 6


def test_a_failed_run_stops_no_other_and_is_run_again_by_the_next_retraining(project: Path) -> None:
    new_data("better\n" * 2)
    (project / "broken-evaluation-prn").touch()
    done = retrain()
    assert done.exit_code == 3
    assert done.output.splitlines()[-1] == "2 runs: 2 retrained, 1 promoted, 0 kept, 1 failed"
    assert outcomes() == {"prn": "failed", "prn_maps": "promoted"}
    failed = report()["runs"][0]  # type: ignore[index]
    assert failed["failure"] == "evaluation: its process ended with 1"
    assert failed["stages"] == ["ingestion", "base_training"]
    (project / "broken-evaluation-prn").unlink()
    kedro_calls()
    assert retrain().exit_code == 0
    assert kedro_calls() == ["evaluation roads prn", "promotion roads prn"]


def test_a_failed_ingestion_fails_all_runs_of_its_data_set(project: Path) -> None:
    new_data("better\n" * 2)
    (project / "broken-ingestion-").touch()
    assert retrain().exit_code == 3
    assert outcomes() == {"prn": "failed", "prn_maps": "failed"}
    assert kedro_calls() == ["ingestion roads"]


def test_an_unmounted_network_share_fails_only_its_own_data_set(project: Path) -> None:
    new_data("better\n" * 2)
    lists = project / "conf/base/benchmark.yml"
    lists.write_text(yaml.safe_dump(yaml.safe_load(lists.read_text()) | {"datasets": ["drive", "synthetic_roads"]}))
    link = project / "data/01_raw/drive"
    link.symlink_to(project / "mounted")
    done = retrain()
    assert done.exit_code == 3
    assert done.output.splitlines()[-1] == "4 runs: 2 retrained, 2 promoted, 0 kept, 2 failed"
    failures = [run["failure"] for run in report()["runs"]]  # type: ignore[attr-defined]
    assert [f"ingestion: [Errno 2] No such file or directory: '{link}'"] * 2 == failures[:2]
    assert link.is_symlink(), "the share may be mounted again later"
    assert not [line for line in kedro_calls() if "drive" in line]
    (project / "mounted").mkdir()
    (project / "mounted" / "image").write_text("better\n")
    assert retrain().exit_code == 0


def test_a_failed_promotion_is_repeated_without_training(project: Path) -> None:
    new_data("better\n" * 2)
    (project / "broken-promotion-prn_maps").touch()
    done = retrain()
    assert done.exit_code == 3
    assert outcomes() == {"prn": "promoted", "prn_maps": "failed"}
    assert (
        "promotion: promotion is broken (data/08_reporting/benchmark/promotion-"
        in (project / RETRAIN_REPORT).read_text()
    )
    (project / "broken-promotion-prn_maps").unlink()
    kedro_calls()
    assert retrain().exit_code == 0
    assert kedro_calls() == ["promotion roads prn_maps"]


def test_a_second_retraining_or_benchmark_exits_at_once(project: Path) -> None:
    before = (project / RETRAIN_REPORT).read_text()
    new_data("better\n" * 2)
    for command in ("retrain", "benchmark"):
        with FileLock(project / PROJECT_LOCK):
            done = CliRunner().invoke(prn, [command], catch_exceptions=False)
        assert done.exit_code == 4
        assert f"another prn retrain or prn benchmark is running in {project}" in done.output
    assert ((project / RETRAIN_REPORT).read_text(), kedro_calls()) == (before, [])


def start_with_slow_evaluation(project: Path, command: str) -> "subprocess.Popen[bytes]":
    """A `prn` that is in the middle of one run's evaluation, which takes ten minutes."""
    (project / "slow-evaluation-prn").touch()
    process = subprocess.Popen(["prn", command, "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not (project / "started").exists():  # the stage starts or the process ends, however slow the machine is
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    return process


def terminate(process: "subprocess.Popen[bytes]") -> int:
    """Exit code after SIGTERM, when the process and all its stages have closed their output."""
    process.send_signal(signal.SIGTERM)
    process.communicate()
    return process.returncode


@pytest.mark.slow
def test_sigterm_ends_a_benchmark_and_its_stages(project: Path) -> None:
    new_data("better\n" * 2)
    assert terminate(start_with_slow_evaluation(project, "benchmark")) == 143
    assert not (project / "data/08_reporting/synthetic_roads" / RUN / "failure.json").exists(), "it did not fail"


@pytest.mark.slow
def test_sigterm_ends_a_retraining_and_its_stages_and_the_next_one_continues(project: Path) -> None:
    new_data("better\n" * 2)
    process = start_with_slow_evaluation(project, "retrain")
    assert report()["exit_code"] is None, "it is running"
    assert terminate(process) == 143
    assert report()["exit_code"] == 143
    assert not (project / "data/08_reporting/synthetic_roads" / RUN / "failure.json").exists(), "it did not fail"
    (project / "slow-evaluation-prn").unlink()
    assert {line.split()[0] for line in kedro_calls()} == {"ingestion", "base_training", "evaluation"}
    assert retrain().exit_code == 0
    assert outcomes() == {"prn": "promoted", "prn_maps": "promoted"}
    assert not [line for line in kedro_calls() if line.startswith(("ingestion", "base_training"))], "they are done"


@pytest.mark.slow
def test_results_come_from_the_remote_and_raw_data_changed_here_is_trained_with(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_data("better\n" * 2)
    add_raw_data(project)
    dvc(project, "remote", "add", "-d", "storage", str(tmp_path / "remote"))
    assert retrain().exit_code == 0
    git(project, "add", "-A", "--", ":!called")
    git(project, "commit", "-qm", "results")
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(project), str(other))
    monkeypatch.chdir(other)
    assert retrain().exit_code == 0
    assert kedro_calls() == ["promotion roads prn", "promotion roads prn_maps"], "results came from the remote"
    (other / "data/01_raw/synthetic_roads/second").write_text("more\n")
    done = retrain()
    assert done.exit_code == 0
    assert "synthetic_roads.dvc: its data was changed here and is used as it is" in done.output
    assert (other / "data/02_intermediate/synthetic_roads").read_text() == "better\nbetter\nmore\n"


def test_a_remote_that_lacks_raw_data_stops_the_retraining_before_anything_runs(project: Path, tmp_path: Path) -> None:
    add_raw_data(project)
    dvc(project, "remote", "add", "-d", "storage", str(tmp_path / "remote"))
    shutil.rmtree(project / "data/01_raw/synthetic_roads")
    shutil.rmtree(project / ".dvc/cache")
    done = retrain()
    assert done.exit_code == 5
    assert "dvc checkout data/01_raw/synthetic_roads.dvc failed" in done.output
    assert (kedro_calls(), report()["exit_code"]) == ([], 5)


@pytest.mark.slow
def test_a_failed_push_is_reported_after_all_runs(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    dvc(project, "remote", "add", "-d", "storage", str(tmp_path / "file" / "below"))
    new_data("better\n" * 2)
    done = retrain()
    assert done.exit_code == 6
    assert "2 runs: 2 retrained, 2 promoted, 0 kept, 0 failed; dvc push failed" in done.output
    assert report()["exit_code"] == 6
    assert retrain("--no-push").exit_code == 0


def test_invalid_lists_are_named_and_reported(project: Path) -> None:
    (project / "conf/base/benchmark.yml").write_text("datasets: [synthetic_roads]\n")
    done = retrain("--no-pull")
    assert done.exit_code == 1
    assert "benchmark.yml must have four lists" in done.output
    assert (report()["exit_code"], kedro_calls()) == (1, [])


def test_help_and_page_list_the_exit_codes_and_a_usage_error_exits_with_2() -> None:
    shown, page = retrain("--help").output, (PROJECT / "docs/sweeps.md").read_text()
    for code, meaning in EXIT_CODES.items():
        assert f"{code:>3}  {meaning}" in shown
        assert f"| {code} | {meaning} |" in page
    assert retrain("--unknown").exit_code == 2
