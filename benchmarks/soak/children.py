"""Commands and functions in processes of their own that can be killed, without starting Python and torch each time.

A server process imports the project once; every command is a fork of it, with its own session, working directory,
environment and output. Other programs, such as `dvc`, replace their fork.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from benchmarks.small_project import PROJECT

#: Imported by the server, so that no fork has to.
PRELOADED = [
    "benchmarks.soak.attacks",
    "kedro.framework.cli.cli",
    "kedro.framework.session",
    "lightning",
    "matplotlib.pyplot",
    "prn_pipeline.cli",
    "prn_pipeline.commands",
    "prn_pipeline.pipeline_registry",
    "prn_pipeline.settings",
    "prn_pipeline.serving.folder_job",
    "prn_pipeline.serving.predictor",
    "segmentation_models_pytorch",
]
#: A stage of the small project takes seconds; one that has not ended by now never will. In seconds.
TIME_LIMIT = 300.0
#: Variables that commands see, beside their own. Others of this process stay out of the results.
KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE", "TZ", "VIRTUAL_ENV")


class HangError(Exception):
    """Something did not end within its time limit."""


class DiedError(Exception):
    """A process ended without an answer: it crashed, or was killed for its memory."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        output: what it printed, errors included.
        seconds: that it took.
        command: what was started.
    """

    code: int
    output: str
    seconds: float
    command: list[str]

    @property
    def has_traceback(self) -> bool:
        """Whether it printed one."""
        return "Traceback (most recent call last)" in self.output


class Command:
    """A command that has been started.

    Args:
        command: `prn`, `kedro` or another program, and its arguments.
        folder: working directory.
        log: file for its output, which lies outside of what is attacked.
        variables: of its environment.
        user: numeric user to run as; only root may say.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, log: Path, variables: Mapping[str, str] = {}, user: int = 0
    ) -> None:
        self.command, self._log, self._start = list(command), log, time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._process = _server().Process(
            target=_run_command, args=(self.command, str(folder), str(log), environment() | dict(variables), user)
        )
        self._process.start()

    def wait(self, seconds: float = TIME_LIMIT) -> Ended:
        """Wait for its end; kill it at the time limit.

        Raises:
            HangError: it reached the time limit.
        """
        self._process.join(seconds)
        if self._process.is_alive():
            self.kill()
            raise HangError(f"{' '.join(self.command)} did not end in {seconds:.0f} s")
        code = self._process.exitcode
        assert code is not None
        return Ended(code, self._log.read_text(errors="replace"), time.monotonic() - self._start, self.command)

    def kill_after(self, seconds: float) -> Ended:
        """SIGKILL to it and all its children at a moment, unless it has ended before."""
        self._process.join(seconds)
        if self._process.is_alive():
            self.kill()
        return self.wait(10)

    def kill(self) -> None:
        """SIGKILL to it and to everything that it has started."""
        pid = self._process.pid
        assert pid is not None
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(pid).children(recursive=True)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            for process in [psutil.Process(pid), *below]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.join(10)


def call(function: Callable[..., Any], *arguments: Any, seconds: float = 60.0, memory: float | None = None) -> Any:
    """The value of a function that runs in a process of its own.

    Args:
        function: of a module; its value can be pickled.
        arguments: likewise.
        seconds: time limit.
        memory: GiB of address space that it may take beside what the server has.

    Raises:
        HangError: it reached the time limit.
        DiedError: the process ended without an answer.
    """
    mine, its = multiprocessing.Pipe(duplex=False)
    process = _server().Process(target=_run_function, args=(its, function, arguments, memory))
    process.start()
    its.close()
    try:
        if not mine.poll(seconds):
            raise HangError(f"no answer in {seconds:.0f} s")
        found = mine.recv()
    except EOFError:
        process.join(10)
        raise DiedError(f"the process ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join(10)
        mine.close()
    if isinstance(found, BaseException):
        raise found
    return found


def environment() -> dict[str, str]:
    """Variables of all commands: the tools of this Python come first, nothing asks a server elsewhere."""
    here = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1"}
    warnings = "ignore::DeprecationWarning,ignore::FutureWarning,ignore::UserWarning"
    return here | quiet | {"PATH": path, "PYTHONPATH": str(PROJECT / "src"), "PYTHONWARNINGS": warnings}


@cache
def _server() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _run_command(command: list[str], folder: str, log: str, variables: dict[str, str], user: int) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    tempfile.tempdir = None  # of the server
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    sys.argv = command
    if command[0] not in ("prn", "kedro"):
        os.execvp(command[0], command)  # noqa: S606 - a command of the soak, never of a user
    try:
        if command[0] == "prn":
            from prn_pipeline.commands import prn

            prn()
        else:
            from kedro.framework.cli.cli import main

            main()
    finally:
        atexit._run_exitfuncs()  # a fork leaves them out


def _run_function(answer: Connection, function: Callable[..., Any], arguments: Any, memory: float | None) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)  # libraries print about every damaged file
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if memory is not None:
        limit = psutil.Process().memory_info().vms + int(memory * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        answer.send(function(*arguments))
    except Exception as error:
        answer.send(RuntimeError(f"{type(error).__name__}: {error}"))
