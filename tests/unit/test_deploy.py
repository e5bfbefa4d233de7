"""Recipes of deploy/ call commands that there are, and know how they end."""

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from prn_pipeline.commands import prn
from prn_pipeline.processes.exit_codes import ALREADY_RUNNING, DONE, EXIT_CODES, TERMINATED

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read(DEPLOY / "systemd" / name)
    return found


@pytest.mark.parametrize("file", ["systemd/prn-retrain.service", "cron/prn-retrain"])
def test_the_command_takes_the_options_that_it_is_given(file: str) -> None:
    calls = re.findall(r"/prn (retrain[^>\n]*)", (DEPLOY / file).read_text())
    assert calls
    for call in calls:
        name, *options = shlex.split(call)
        prn.commands[name].make_context(name, options)


def test_a_line_of_cron_starts_the_command_in_a_fresh_clone(tmp_path: Path) -> None:
    stub = tmp_path / ".venv/bin/prn"
    stub.parent.mkdir(parents=True)
    stub.write_text('#!/bin/sh\necho "$@" > called\n')
    stub.chmod(0o755)
    lines = [
        line.split("prn  ", 1)[1] for line in (DEPLOY / "cron/prn-retrain").read_text().splitlines() if "&&" in line
    ]
    assert len(lines) == 2
    for line in lines:
        command = f"LOG=data/08_reporting/retrain.log; {line.replace('/srv/prn_pipeline', str(tmp_path))}"
        subprocess.run(["/bin/sh", "-c", command], check=True)
        assert (tmp_path / "called").read_text().startswith("retrain")
        (tmp_path / "called").unlink()


def test_systemd_takes_for_no_failure_what_is_none() -> None:
    codes = unit("prn-retrain.service")["Service"]["SuccessExitStatus"].split()
    assert {int(code) for code in codes} | {DONE} == {DONE, ALREADY_RUNNING, TERMINATED} < set(EXIT_CODES)


def test_units_of_systemd_name_each_other() -> None:
    service = unit("prn-retrain.service")
    assert (DEPLOY / "systemd" / service["Unit"]["OnFailure"]).is_file()
    assert (DEPLOY / "systemd" / "prn-retrain.timer").is_file(), "it starts the service of its own name"
    assert "--unit prn-retrain " in unit("prn-retrain-failed.service")["Service"]["ExecStart"]
