"""The recipes of deploy/ call existing commands and handle their exit codes."""

import configparser
import itertools
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from prn_pipeline.cli import cli
from prn_pipeline.commands import prn
from prn_pipeline.configuration.project_configuration import read_configuration
from prn_pipeline.processes.exit_codes import ALREADY_RUNNING, DONE, EXIT_CODES, TERMINATED

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read(DEPLOY / "systemd" / name)
    return found


@pytest.mark.parametrize("file", ["systemd/prn-retrain.service", "cron/prn-retrain"])
def test_the_recipes_use_valid_options(file: str) -> None:
    calls = re.findall(r"/prn (retrain[^>\n]*)", (DEPLOY / file).read_text())
    assert calls
    for call in calls:
        name, *options = shlex.split(call)
        prn.commands[name].make_context(name, options)


def test_the_lines_of_cron_start_the_command_in_a_fresh_clone(tmp_path: Path) -> None:
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


def test_systemd_counts_the_harmless_exit_codes_as_success() -> None:
    codes = unit("prn-retrain.service")["Service"]["SuccessExitStatus"].split()
    assert {int(code) for code in codes} | {DONE} == {DONE, ALREADY_RUNNING, TERMINATED} < set(EXIT_CODES)


def test_the_units_of_systemd_refer_to_each_other() -> None:
    service = unit("prn-retrain.service")
    assert (DEPLOY / "systemd" / service["Unit"]["OnFailure"]).is_file()
    assert (DEPLOY / "systemd" / "prn-retrain.timer").is_file(), "a timer starts the service of the same name"
    assert "--unit prn-retrain " in unit("prn-retrain-failed.service")["Service"]["ExecStart"]


def test_the_images_copy_what_is_there_and_start_a_command_that_exists() -> None:
    project = DEPLOY.parent
    lines = (DEPLOY / "docker" / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert len(copied) >= 3
    for pattern in itertools.chain(*copied):
        assert list(project.glob(pattern)) if pattern != "." else True, pattern
    (lock,) = set(re.findall(r"LOCK=(\S+)", "\n".join(lines)))
    assert lock == "requirements-serving.lock"
    assert (project / lock).is_file()
    (command,) = (json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith('CMD ["serve"'))
    name, *options = command
    context = prn.commands[name].make_context(name, options)
    assert context.params["host"] != "127.0.0.1", "nobody outside the container reaches that"
    (exposed,) = (int(line.split()[1]) for line in lines if line.startswith("EXPOSE"))
    assert exposed == context.params["port"]


def test_a_change_of_the_code_installs_no_packages_again() -> None:
    lines = (DEPLOY / "docker" / "Dockerfile").read_text().splitlines()
    for stage in ("build-predictor", "build-project"):
        start = lines.index(f"FROM python:${{PYTHON}} AS {stage}")
        steps = list(itertools.takewhile(lambda line: not line.startswith("FROM "), lines[start + 1 :]))
        assert [line.split()[:3] for line in steps if line.startswith("RUN ")] == [
            ["RUN", "make", "packages"],
            ["RUN", "make", "setup"],
        ]
        installed = next(place for place, line in enumerate(steps) if line.startswith("RUN make packages"))
        assert not any("src" in line or "pyproject" in line for line in steps[:installed])


def workflow() -> dict[str, str]:
    """Name of each step of the workflow that runs something -> what."""
    (job,) = yaml.safe_load((DEPLOY / "github/prn.yml").read_text())["jobs"].values()
    return {
        step["name"]: step["run"].replace("$DATASET", job["env"]["DATASET"]) for step in job["steps"] if "run" in step
    }


def test_the_workflow_sets_up_what_the_makefile_does() -> None:
    setup, path = workflow()["Install"].splitlines()
    assert setup.startswith("make setup TORCH_INDEX=")
    assert re.search("^setup: ", (DEPLOY.parent / "Makefile").read_text(), re.MULTILINE)
    assert "$PWD/.venv/bin" in path


def test_the_workflow_checks_a_data_set_of_the_project() -> None:
    command, name, dataset, *rest = shlex.split(workflow()["Check the data set"])
    assert command == "prn"
    prn.commands[name].make_context(name, [dataset, *rest[:-2]])
    blocks = yaml.safe_load((DEPLOY.parent / "conf/base/parameters_datasets.yml").read_text())["datasets"]
    assert dataset in blocks


def test_the_small_run_of_the_workflow_has_valid_parameters() -> None:
    *words, arrow, file = shlex.split(workflow()["Make a small run"])
    assert (arrow, file) == (">", "finding.json")
    given = cli.commands["run"].make_context("run", words[2:]).params
    assert given["as_json"]
    run = read_configuration(DEPLOY.parent, given["params"]).parameters["run"]
    assert run["base_training"]["epochs"] <= 2
    assert run["prn_training"]["epochs"] <= 2
