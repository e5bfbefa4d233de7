"""The process behind a warm command: it has imported what the command needs, and each call runs in a fork of it."""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import prn_pipeline
from prn_pipeline.sweep.warm.programs import PROGRAMS, Program
from prn_pipeline.sweep.warm.stand_in import ENDED, KILLED, RUNS

#: Signals for a command alone; all others reach what it has started, too, as those do that a whole group gets.
FOR_ONE = (signal.SIGUSR1, signal.SIGUSR2)


def main() -> None:
    """Answer calls: the arguments are the name of the command, and the file descriptor of the socket.

    A call runs here, at the bottom of the stack, so that one that ends with an error or by a signal ends as always.
    """
    program = PROGRAMS[sys.argv[1]]
    with socket.socket(fileno=int(sys.argv[2])) as calls:
        command = serve(program, calls)
    try:
        code = command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int | None) else sys.exit(end.code)
    _leave(code or 0)


def serve(program: Program, calls: socket.socket) -> Callable[[], int | None]:
    """Answer calls until standard input ends; return only in the fork of a call, as which the program is to run now.

    Calls wait until everything is imported. The folder of the socket is removed at the end, even if the process that
    made it was killed.
    """
    code = _source_files()  # before the imports, which take seconds
    for name in program.imports:
        import_module(name)
    function: Callable[[], int | None] = getattr(import_module(program.module), program.function)
    gc.freeze()  # so that forks do not copy the memory of what has been imported
    while calls.fileno() in select.select([calls.fileno(), sys.stdin.fileno()], [], [])[0]:
        call, _ = calls.accept()
        with call:
            if os.fork() == 0:
                _answer(call, runs=_source_files() == code)
                return function
        _forget_ended()
    shutil.rmtree(Path(calls.getsockname()).parent, ignore_errors=True)
    sys.exit()


def _answer(call: socket.socket, *, runs: bool) -> None:
    """Fork once more: the child returns in the place of the caller, this process stays with it."""
    size, streams, _, _ = socket.recv_fds(call, 8, 3)
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        if not (more := call.recv(2**16)):
            os._exit(0)
        text += more
    if not runs:
        os._exit(0)  # the caller starts the command itself
    if (command := os.fork()) == 0:
        call.close()
        _become(streams, **json.loads(text))
        return
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    _accompany(command, call)


def _accompany(command: int, call: socket.socket) -> NoReturn:
    """Pass on the signals of the caller, one per byte, and to the caller the end; kill the command if it is killed."""
    with suppress(OSError):  # the command may have done it, and ended
        os.setpgid(command, command)
    try:
        ended = os.pidfd_open(command)
    except OSError:  # the caller starts the command itself, so this one must not go on
        os.killpg(command, signal.SIGKILL)
        os._exit(1)
    with suppress(OSError):
        call.sendall(RUNS)
    while ended not in select.select([ended, call.fileno()], [], [])[0]:
        try:
            number = (call.recv(1) or bytes([signal.SIGKILL]))[0]
        except OSError:  # the caller was killed before it had read all
            number = signal.SIGKILL
        with suppress(ProcessLookupError):
            (os.kill if number in FOR_ONE else os.killpg)(command, number)
            if number == signal.SIGTSTP:  # the system ignores it in a group without a terminal
                os.kill(command, signal.SIGSTOP)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with suppress(OSError):
        call.sendall(ENDED + bytes([code]) if code >= 0 else KILLED + bytes([-code]))
    os._exit(0)


def _become(streams: list[int], folder: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Take the place of the caller: its streams, folder, arguments and environment, in a process group of its own."""
    os.setpgid(0, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments


def _leave(code: int) -> NoReturn:
    """End as the interpreter does, but let the system free all memory, which takes it no time."""
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are not daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


def _source_files() -> dict[str, int]:
    """Files of this package -> when they were changed, in nanoseconds."""
    files = Path(prn_pipeline.__file__).parent.rglob("*.py")
    return {str(file): file.stat().st_mtime_ns for file in files}


def _forget_ended() -> None:
    """Let the system forget forks that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
