"""Stages become jobs that can run at the same time; a failure stops only the stages that build on it."""

import os
import stat
from pathlib import Path

import pytest

from prn_pipeline.sweep.lists import Lists, stage_addresses
from prn_pipeline.sweep.plan import PlannedStage
from prn_pipeline.sweep.run import jobs_of, run_jobs
from tests.conftest import shim_path

LISTS = Lists(datasets=["a", "b"], base_models=["unet"], refiners=["prn", "other"], seeds=[0])


def planned() -> list[PlannedStage]:
    return [PlannedStage(stage, names, "", 1.0, 1, True) for stage, names in stage_addresses(LISTS).values()]


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `dvc` that logs its stage in the file `called`, and fails for stages in the file `broken`."""
    script = tmp_path / "bin" / "dvc"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        f'echo "$4 $OMP_NUM_THREADS" >> {tmp_path}/called\n'
        f'if grep -qx "$4" {tmp_path}/broken; then echo "ERROR: failed to reproduce \'$4\'"; exit 1; fi\n'
        'echo "ran $4"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    (tmp_path / "broken").write_text("")
    monkeypatch.setenv("PATH", shim_path(script.parent))
    return tmp_path


def called(folder: Path) -> list[str]:
    """Addresses that `dvc` was called with."""
    return [line.split()[0] for line in (folder / "called").read_text().splitlines()]


def test_a_job_is_a_base_model_with_all_its_runs_and_shared_stages_come_first() -> None:
    data_sets, runs = jobs_of(planned())
    assert [job.name for job in data_sets] == ["a", "b"]
    assert [job.name for job in runs] == ["a-unet-0", "b-unet-0"]
    assert [one.address for one in runs[0].stages] == [
        *(f"{stage}@a-unet-0" for stage in ("base_training", "logit_caching", "pseudo_labelling")),
        *(f"{stage}@a-unet-other-0" for stage in ("prn_training", "evaluation", "reporting")),
        *(f"{stage}@a-unet-prn-0" for stage in ("prn_training", "evaluation", "reporting")),
    ]


def test_jobs_keep_the_order_of_the_runs_whatever_is_stale() -> None:
    late = [one for one in planned() if one.stage != "base_training" or one.names["dataset"] == "b"]
    assert [job.name for job in jobs_of(late)[1]] == ["a-unet-0", "b-unet-0"]


def test_every_stage_runs_once_with_its_share_of_the_cores(dvc: Path) -> None:
    _, runs = jobs_of(planned())
    outcomes = list(run_jobs(runs, dvc, workers=2))
    assert [outcome.job.name for outcome in outcomes] == ["a-unet-0", "b-unet-0"]
    assert sorted(called(dvc)) == sorted(one.address for job in runs for one in job.stages)
    assert all(
        line.split()[1] == str(max(1, (os.cpu_count() or 1) // 2)) for line in (dvc / "called").read_text().splitlines()
    )
    assert "ran evaluation@a-unet-prn-0" in outcomes[0].log.read_text()


def test_a_failed_refiner_stops_its_own_run_only(dvc: Path) -> None:
    (dvc / "broken").write_text("prn_training@a-unet-other-0\n")
    _, runs = jobs_of(planned())
    reported: list[object] = []
    begun: list[str] = []
    (outcome, other) = run_jobs(
        runs, dvc, 1, reported.append, lambda job, number: begun.append(job.stages[number - 1].address)
    )
    assert begun == called(dvc), "what runs is said, and nothing that is left out"
    assert outcome.failed == ["prn_training@a-unet-other-0"]
    assert "failed to reproduce" in outcome.log.read_text()
    assert not other.failed
    assert reported == [outcome, other]
    ran = set(called(dvc))
    assert not ran & {"evaluation@a-unet-other-0", "reporting@a-unet-other-0"}
    assert {"reporting@a-unet-prn-0", "reporting@b-unet-other-0"} <= ran


def test_a_failed_base_model_stops_all_its_runs(dvc: Path) -> None:
    (dvc / "broken").write_text("base_training@a-unet-0\n")
    (outcome, other) = run_jobs(jobs_of(planned())[1], dvc, workers=1)
    assert [line for line in called(dvc) if "@a-" in line] == ["base_training@a-unet-0"]
    assert outcome.failed == ["base_training@a-unet-0"]
    assert not other.failed
