"""`prn benchmark` ends its stages, which run in forks of another process, and leaves nothing behind."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from benchmarks.small_project import copy_project, make_small
from prn_pipeline.sweep.environment import tool_environment
from tests.conftest import hearing_ctrl_c

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project whose base model trains for minutes."""
    folder = make_small(copy_project(tmp_path_factory.mktemp("patient") / "project"))
    file = folder / "conf/base/parameters_base_models.yml"
    settings: dict[str, Any] = yaml.safe_load(file.read_text())
    settings["base_models"]["unet_resnet18_small"]["training"]["epochs"] = 5000
    file.write_text(yaml.safe_dump(settings))
    return folder


def processes_in(folder: Path) -> list[psutil.Process]:
    """Processes whose working folder it is."""
    found = psutil.process_iter(["cwd", "status"])
    return [one for one in found if one.info["cwd"] == str(folder) and one.info["status"] != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("number", "code", "to_all"),
    [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False), (signal.SIGTERM, 143, True), (signal.SIGKILL, -9, True)],
)
def test_a_signal_ends_the_stage_that_runs_and_no_process_is_left(
    patient: Path, number: signal.Signals, code: int, to_all: bool
) -> None:
    log = patient / "data/08_reporting/benchmark/synthetic_roads-unet_resnet18_small-0.log"
    log.unlink(missing_ok=True)
    with hearing_ctrl_c():
        benchmark = subprocess.Popen(
            ["prn", "benchmark"],
            cwd=patient,
            env={**tool_environment(), "SHELL": "/bin/sh"},  # which does not become its command, as bash does
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    while not (log.exists() and "epoch" in log.read_text()):  # it trains, or ends, however slow the machine is
        assert benchmark.poll() is None, benchmark.communicate()[0]
        time.sleep(0.1)
    if to_all:
        os.killpg(benchmark.pid, number)  # as a terminal does, or `timeout`
    else:
        benchmark.send_signal(number)
    printed = benchmark.communicate(timeout=300)[0]
    assert benchmark.returncode == code, printed
    if number != signal.SIGKILL:
        assert "the next start continues" in printed
        assert "the next start continues" in log.read_text(), "it ends after its stage"
    end = time.monotonic() + 60
    while left := processes_in(patient):
        assert time.monotonic() < end, left
        time.sleep(0.1)
