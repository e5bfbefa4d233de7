"""kedro-mlflow's hooks and commands are there as ever, though they are imported late."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from prn_pipeline.tracking.mlflow_hook import LazyMlflowHook
from prn_pipeline.tracking.parameters import ParameterBatchHook

PROJECT = Path(__file__).resolve().parents[2]


def hooks_of(kind: type) -> dict[str, Any]:
    return {
        name: list(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(kind, inspect.isfunction)
        if hasattr(function, "kedro_impl")
    }


def test_every_hook_of_kedro_mlflow_is_passed_on_with_its_arguments(monkeypatch: Any) -> None:
    assert hooks_of(LazyMlflowHook) == hooks_of(MlflowHook) == hooks_of(ParameterBatchHook)
    lazy = LazyMlflowHook()
    for name, (_, *arguments) in hooks_of(LazyMlflowHook).items():
        given: list[Any] = []
        monkeypatch.setattr(ParameterBatchHook, name, lambda self, *values, given=given: given.append(values))
        getattr(lazy, name)(*arguments)
        assert given == [tuple(arguments)]


def test_a_session_calls_one_hook_of_mlflow() -> None:
    bootstrap_project(PROJECT)
    manager = KedroSession.create(PROJECT)._hook_manager
    assert isinstance(manager.get_plugin("mlflow_hook"), LazyMlflowHook)
    assert not any(isinstance(plugin, MlflowHook) for plugin in manager.get_plugins())


def test_the_commands_of_kedro_mlflow_are_there() -> None:
    command = [sys.executable, "-m", "kedro", "mlflow", "ui", "--help"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
