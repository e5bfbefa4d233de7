"""The command `prn`: sweeps of many runs, retraining, and the use of predictors; `kedro run` makes a single run."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

from prn_pipeline.processes.openmp import wait_briefly
from prn_pipeline.processes.redacted_output import redact_output

#: Command -> module of this package that has it, in the order of the reference.
MODULES = {
    "init": "init",
    "check": "check",
    "plan": "benchmark",
    "benchmark": "benchmark",
    "leaderboard": "benchmark",
    "verify": "verify",
    "curve": "curve",
    "refine": "refine",
    "suggest": "suggest",
    "serve": "serve",
    "export": "export",
    "models": "registry",
    "rollback": "registry",
    "retrain": "retrain",
    "pull": "retrain",
    "push": "retrain",
}


class Commands(MutableMapping[str, click.Command]):
    """Every command by its name, imported when it is requested: `prn plan` does not wait for `prn serve`."""

    def __init__(self) -> None:
        self._added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name in self._added or name not in MODULES:
            return self._added[name]
        command: click.Command = getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        del self._added[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**MODULES, **self._added})

    def __len__(self) -> int:
        return len({**MODULES, **self._added})


@click.group(commands=Commands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prn_pipeline", message="%(package)s %(version)s")
def prn() -> None:
    """Add and check data sets, run benchmarks, and use trained predictors; `kedro run` makes a single run."""
    redact_output()
    wait_briefly()
