"""Stands for a command: `stand_in.py ADDRESS COMMAND ARGUMENTS...` has it run in a fork of the process at an address.

Imports nothing that takes time, and nothing of this package, of whose libraries it knows nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

#: Signals that are passed on.
PASSED_ON = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGTSTP, signal.SIGCONT),
)
#: Answers: the command runs; it has ended with the code that follows; it has ended by the signal that follows.
RUNS, ENDED, KILLED = b"r", b"e", b"k"
#: Exit code where the command ran, and nothing is known about its end.
UNKNOWN_END = 70


def main(address: str, command: list[str]) -> NoReturn:
    """Run a command at an address, and end as it ends; start the command itself if nobody runs it there.

    Args:
        address: a socket.
        command: path of the command, and its arguments.
    """
    for number in PASSED_ON:
        if signal.getsignal(number) == signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)
    answer = run(address, command)
    for number in PASSED_ON:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if answer is None:
        os.execv(command[0], command)  # noqa: S606 - no shell: the arguments are those of this program
    if answer[:1] == KILLED:
        os.kill(os.getpid(), answer[1])
    sys.exit(answer[1] if answer[:1] == ENDED else UNKNOWN_END)


def run(address: str, command: list[str]) -> bytes | None:
    """Have a command run, and wait for its end; the arguments are those of `main`.

    Returns:
        How it ended: `ENDED` or `KILLED`, and a byte; empty if that is not known; None if it does not run there.
    """

    def pass_on(number: int, _: FrameType | None) -> None:
        with suppress(OSError):  # the command has just ended
            process.sendall(bytes([number]))
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)

    with socket.socket(socket.AF_UNIX) as process:
        call = json.dumps({"folder": os.getcwd(), "arguments": command, "environment": dict(os.environ)}).encode()
        try:
            process.connect(address)
            socket.send_fds(process, [len(call).to_bytes(8, "big")], [0, 1, 2])
            process.sendall(call)
            if process.recv(1) != RUNS:
                return None
        except OSError:
            return None
        for number in PASSED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, pass_on)
        return process.recv(2, socket.MSG_WAITALL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
