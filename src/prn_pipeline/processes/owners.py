"""Which process something belongs to, and whether that process still runs: to clean up after killed ones."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

import psutil

#: The namespace of processes of a Linux machine itself, outside all containers.
OUTERMOST = "effffffc"


@functools.cache
def pid_namespace() -> str:
    """Identifies the processes that this one can see: those of another container have others of the same numbers.

    Hexadecimal; "0" where the system has no such namespaces.
    """
    try:
        return f"{Path('/proc/self/ns/pid').stat().st_ino:x}"
    except OSError:
        return "0"


def visible_processes() -> str:
    """Eight hexadecimal digits that machines with the same name do not share, nor their containers and boots.

    A process that has written them and is not seen here any more has ended.
    """
    here = _text("/etc/machine-id") + _text("/proc/sys/kernel/random/boot_id") + pid_namespace()
    return f"{crc32(here.encode()):08x}"


def this_process() -> dict[str, str]:
    """What identifies this process, as tags: machine and namespace, boot, number and start."""
    machine = f"{platform.node()}/{_text('/etc/machine-id')[:8]}/{pid_namespace()}"
    return {
        "process.machine": machine.replace("'", ""),
        "process.boot": _text("/proc/sys/kernel/random/boot_id")[:8],
        "process.pid": str(os.getpid()),
        "process.start": _start(os.getpid()) or "",
    }


def has_ended(tags: Mapping[str, str]) -> bool:
    """Whether a process has ended, by the tags that `this_process` gave there; False if that cannot be seen from here.

    The start is that in ticks since the machine was booted, which no change of the clock moves.
    """
    here, pid = this_process(), tags.get("process.pid", "")
    if tags.get("process.machine") != here["process.machine"] or not pid.isdecimal():
        return False
    if tags.get("process.boot") != here["process.boot"]:  # of containers, another machine may have the same names
        return pid_namespace() == OUTERMOST
    return not psutil.pid_exists(int(pid)) or _start(int(pid)) != tags.get("process.start")


def _start(pid: int) -> str | None:
    """Start of a process, comparable for one boot; None if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        return str(round(psutil.Process(pid).create_time()))  # systems without /proc
    except psutil.Error:
        return None


@functools.cache
def _text(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""
