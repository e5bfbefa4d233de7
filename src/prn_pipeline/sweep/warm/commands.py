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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import psutil

from prn_pipeline.sweep.warm import process, stand_in

#: The commands of a stage.
STAGE_COMMANDS = ("dvc", "kedro")
#: End of the address of a socket.
SOCKET = ".socket"
#: Devices of graphics processors: CUDA cannot be used in a fork of a process that has asked for its devices.
GRAPHICS = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg", "/dev/kfd")))


@dataclass(frozen=True)
class WarmCommands:
    """Commands that start at once, while the block of `warm_commands` lasts.

    Attributes:
        environment: variables with which a process finds them.
        processes: that answer calls, by the command of each; none if commands start as always.
    """

    environment: Mapping[str, str]
    processes: Mapping[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def running(self, *names: str) -> list[psutil.Process]:
        """Forks that are some commands now, or any: they lead the process groups in the sessions of the processes."""
        sessions = {process.pid for name, process in self.processes.items() if name in names or not names}
        return [one for one in psutil.process_iter() if one.pid not in sessions and _leads_group(one.pid, sessions)]


@contextmanager
def warm_commands(
    project: Path, environment: Mapping[str, str], names: Sequence[str] = STAGE_COMMANDS
) -> Iterator[WarmCommands]:
    """Let commands start at once, where the system allows it; elsewhere they start as always.

    Args:
        project: root of the repository, whose code runs.
        environment: of the processes, and of the callers; its `PATH` has the commands.
        names: commands, of `programs.PROGRAMS`.

    Yields:
        The environment for callers, and what runs in it.
    """
    with ExitStack() as end:
        commands = WarmCommands(environment)
        if _is_possible(environment, names):
            with suppress(OSError):  # no space for sockets, or none allowed
                commands = _started(project, environment, names, end)
        yield commands


def _is_possible(environment: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether commands are those of this Python, and the system can fork it and tells when a fork ends."""
    here = [shutil.which(name, path=environment.get("PATH")) for name in names]
    if sys.platform != "linux" or any(device.exists() for device in GRAPHICS):
        return False
    if not all(command and Path(command).parent == Path(sys.executable).parent for command in here):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # of an old Python, an old kernel, or a container that forbids it
        return False
    return True


def _started(project: Path, environment: Mapping[str, str], names: Sequence[str], end: ExitStack) -> WarmCommands:
    """Start the processes, and write what stands for the commands; `end` undoes both."""
    with ExitStack() as undo:
        folder = Path(mkdtemp(prefix="prn-"))
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        made = {name: undo.enter_context(_answering(name, folder, project, environment)) for name in names}
        for name in names:
            real = Path(sys.executable).with_name(name)
            command = [sys.executable, "-IS", stand_in.__file__, str(folder / f"{name}{SOCKET}"), str(real)]
            (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
            (folder / name).chmod(0o700)
        end.push(undo.pop_all())
    path = os.pathsep.join([str(folder), environment.get("PATH", os.defpath)])
    return WarmCommands({**environment, "PATH": path}, made)


@contextmanager
def _answering(
    name: str, folder: Path, project: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The process that answers calls of a command; it ends with the block, or with this process.

    The socket is there at once, so calls wait until it has imported everything.
    """
    code = [str(project / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    with socket.socket(socket.AF_UNIX) as calls:
        calls.bind(str(folder / f"{name}{SOCKET}"))  # an OSError where the path is longer than the system allows
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


def _leads_group(pid: int, sessions: set[int]) -> bool:
    """Whether a process leads a process group in one of some sessions."""
    try:
        return os.getsid(pid) in sessions and os.getpgid(pid) == pid
    except (ProcessLookupError, PermissionError):
        return False
