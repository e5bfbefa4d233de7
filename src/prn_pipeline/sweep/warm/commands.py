"""`dvc` and `kedro` without their start: DVC starts two processes per stage, and each imports for seconds.

For each of the two, a process that has imported everything forks for each call instead (`process`), and a small program
stands for the command (`stand_in`). To DVC, a scheduler or a terminal, that program is the command: what runs has the
folder, the environment, the arguments and the streams of the caller, gets its signals, and ends as it does. Code that
has changed since it was imported is not run: such a call starts the command itself, as does one that nobody answers.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psutil

from prn_pipeline.sweep.warm import process, stand_in

#: The commands of a stage.
STAGE_COMMANDS = ("dvc", "kedro")
#: End of the address of a socket, and the length in bytes of the longest folder that it may be in.
SOCKET = ".socket"
MAX_FOLDER = 90
#: Devices of graphics processors: CUDA cannot be used in a fork of a process that has asked for its devices.
GRAPHICS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))


@dataclass(frozen=True)
class WarmCommands:
    """Commands that start at once, while the block of `warm_commands` lasts.

    Attributes:
        environment: variables with which a process finds them.
        processes: that answer calls, one for each command; none if commands start as always.
    """

    environment: Mapping[str, str]
    processes: tuple[subprocess.Popen[bytes], ...] = ()

    def running(self) -> list[psutil.Process]:
        """Forks that are commands now; between each and the process is one that stays with it."""
        between = [fork for process in self.processes for fork in children(psutil.Process(process.pid))]
        return [command for fork in between for command in children(fork)]


@contextmanager
def warm_commands(
    project: Path, environment: Mapping[str, str], names: Sequence[str] = STAGE_COMMANDS
) -> Iterator[WarmCommands]:
    """Let commands start at once, where the system allows it; elsewhere they start as always.

    Args:
        project: root of the repository, whose code runs.
        environment: of the process, and of the callers; its `PATH` has the commands.
        names: commands, of `programs.PROGRAMS`.
    """
    real = {name: shutil.which(name, path=environment.get("PATH")) for name in names}
    folder = Path(mkdtemp(prefix="prn-"))
    try:
        if not _is_possible(folder, real.values()):
            yield WarmCommands(environment)
            return
        with ExitStack() as processes:
            made = [processes.enter_context(_answering(name, folder, project, environment)) for name in names]
            for name, path in real.items():
                command = [sys.executable, "-IS", stand_in.__file__, str(folder / f"{name}{SOCKET}"), str(path)]
                (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
                (folder / name).chmod(0o700)
            path = os.pathsep.join([str(folder), environment.get("PATH", os.defpath)])
            yield WarmCommands({**environment, "PATH": path}, tuple(made))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_possible(folder: Path, commands: Iterable[str | None]) -> bool:
    """Whether commands are those of this Python, and the system can fork it and tells when a fork ends."""
    return (
        sys.platform == "linux"
        and hasattr(os, "pidfd_open")
        and len(os.fsencode(folder)) <= MAX_FOLDER
        and not any(device.exists() for device in GRAPHICS)
        and all(command and Path(command).parent == Path(sys.executable).parent for command in commands)
    )


@contextmanager
def _answering(
    name: str, folder: Path, project: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The process that answers calls of a command; it ends with the block, or with this process.

    The socket is there at once, so calls wait until it has imported everything.
    """
    code = [str(project / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    with socket.socket(socket.AF_UNIX) as calls:
        calls.bind(str(folder / f"{name}{SOCKET}"))
        calls.listen()
        made = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {process.__name__} import main; main()", name, str(calls.fileno())],
            cwd=project,
            env={**environment, "PYTHONPATH": os.pathsep.join(code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[calls.fileno()],
        )
    with made:
        try:
            yield made
        finally:
            made.terminate()


def children(parent: psutil.Process) -> list[psutil.Process]:
    """Processes that a process has started; none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        found: list[psutil.Process] = parent.children()
        return found
    return []
