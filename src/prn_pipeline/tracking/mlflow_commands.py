"""`kedro mlflow ...` without MLflow in every other command: kedro-mlflow's commands, imported when one is used."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import click

#: Module and name that kedro-mlflow gives Kedro as its commands.
MODULE, COMMANDS = "kedro_mlflow.framework.cli.cli", "commands"
#: Name of its only command, below which all others are.
COMMAND = "mlflow"


def postpone_commands() -> None:
    """Put a stand-in for the module of the commands in place, unless somebody has imported the module.

    Kedro imports the commands of every plugin, and then looks whether one of them is meant.
    """
    sys.modules.setdefault(MODULE, _StandIn(MODULE))


class _StandIn(ModuleType):
    """Has the commands, and everything else from the module itself."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.commands = _Commands(name="Mlflow", help="Kedro plugin for interactions with mlflow.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `inspect` asks every module for its file
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(_module(), name)


class _Commands(click.Group):
    """kedro-mlflow's group of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The only one."""
        return [COMMAND]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, if it is meant."""
        if cmd_name != COMMAND:
            return None
        found: click.Command | None = getattr(_module(), COMMANDS).get_command(ctx, cmd_name)
        return found


def _module() -> ModuleType:
    from prn_pipeline.tracking.quiet_imports import import_without_advice

    import_without_advice()
    if isinstance(sys.modules.get(MODULE), _StandIn):
        del sys.modules[MODULE]
    return importlib.import_module(MODULE)
