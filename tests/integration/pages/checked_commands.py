"""Commands of the pages that no test runs: why not, and whether their options, names and values exist all the same."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import yaml

from prn_pipeline.cli import cli
from prn_pipeline.commands import prn
from prn_pipeline.configuration.project_configuration import read_configuration
from tests.integration.pages.blocks import PROJECT

#: Beginning of a command -> why it is only checked.
REASONS = {
    "make": "each target takes minutes to hours; what it calls is tested by itself",
    "kedro run": "minutes; one run with each source of maps is made, and the parameters of all others are resolved",
    "prn benchmark": "hours; test_dvc.py runs it on a small project",
    "prn retrain": "hours; test_retrain.py runs it on a small project",
    "prn verify": "makes a whole run again; test_dvc.py does so on a small project",
    "prn curve": "minutes; test_label_curve.py runs it",
    "prn leaderboard": "test_dvc.py runs it on several runs",
    "prn suggest": "test_predictor.py runs it",
    "prn rollback my_roads": "there is no previous champion yet; test_promotion.py rolls back",
    "prn refine photos/ --model models:/my_streets": "a model of the reader; the same options run with my_roads",
    "prn refine photos/ --model predictor/": "its package my_package is the reader's",
    "prn serve": "does not end; the blocks of curl and Python ask a running server",
    "dvc": "test_dvc.py runs it on a small project; remotes are other machines",
    "mlflow": "servers, which do not end; test_served.py starts one",
    "pip install": "needs the network",
    "source": "the environment of the tests is active already",
    "sudo": "changes the machine",
    "nvidia-cuda-mps-control": "needs a GPU",
}


def reason(command: str) -> str | None:
    """Why a command is not run; None if it has to be."""
    bare = re.sub(r"^(\w+=\S+ )+", "", command)
    return next((why for start, why in REASONS.items() if bare.startswith(start)), None)


def check(command: str, project: Path) -> None:
    """Fail if a command names an option, parameter, target or file that does not exist."""
    words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", command).replace(",...", ""))
    CHECKS[words[0]](words[1:], project)


def _prn(words: list[str], project: Path) -> None:
    _parsed(prn.commands[words[0]], words[1:])


def _kedro(words: list[str], project: Path) -> None:
    given = _parsed(cli.commands["run"], words[1:]).params
    nested = given["params"] or {}
    data = {"datasets": {"my_roads": {"image_size": 64}}, "base_models": {"my_model": MY_MODEL}}
    assert read_configuration(project, data | nested).parameters["run"]
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    assert set(given["pipelines"] or ()) <= {*stages, "promotion"}
    assert given["env"] is None or (PROJECT / "conf" / given["env"]).is_dir()


#: The block that the README tells to fill in.
MY_MODEL = {"kind": "module", "target": "my_package.models:Net"}


def _parsed(command: click.Command, words: list[str]) -> click.Context:
    """The context of a command line; unknown options and wrong values raise click.UsageError."""
    return command.make_context(command.name or "", list(words))


def _make(words: list[str], project: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text()
    variables = [word.split("=")[0] for word in words if "=" in word]
    targets = [word for word in words if "=" not in word]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), targets
    assert all(f"$({variable})" in makefile for variable in variables), variables


def _dvc(words: list[str], project: Path) -> None:
    from dvc.cli.parser import get_main_parser

    parsed = get_main_parser().parse_args(words)
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    assert {target.split("@")[0] for target in getattr(parsed, "targets", None) or ()} <= set(stages)


def _mlflow(words: list[str], project: Path) -> None:
    from mlflow.cli import cli as mlflow

    command: click.Command = mlflow
    while isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words.pop(0))
        assert inner is not None
        command = inner
    assert _parsed(command, words)


def _pip(words: list[str], project: Path) -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"[\w-]+", words[-1].partition("[")[2])) <= set(extras)


def _sudo(words: list[str], project: Path) -> None:
    command, source, _ = words
    assert command == "cp"
    assert (PROJECT / source).exists()


def _nothing(words: list[str], project: Path) -> None:
    """For commands of which this project has nothing to check."""


CHECKS: dict[str, Callable[[list[str], Path], None]] = {
    "prn": _prn,
    "kedro": _kedro,
    "make": _make,
    "dvc": _dvc,
    "mlflow": _mlflow,
    "pip": _pip,
    "sudo": _sudo,
    "source": _nothing,
    "nvidia-cuda-mps-control": _nothing,
}
