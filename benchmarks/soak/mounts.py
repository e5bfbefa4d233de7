"""Small disks and read-only folders, where this process may mount them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


def _mount(*arguments: str) -> str:
    """Mount; what went wrong, or ""."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "no command `mount`"
    return done.stderr.strip() if done.returncode else ""


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk in memory of so many bytes at a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)):
        yield


def enlarge(folder: Path, size: int) -> None:
    """Give a disk that `small_disk` has made another size in bytes."""
    if error := _mount("-o", f"remount,size={size}", str(folder)):
        raise OSError(error)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write below a folder within the block."""
    if os.getuid():  # mode bits bind everyone but root
        folders = [folder, *(one for one in folder.rglob("*") if one.is_dir())]
        modes = {one: one.stat().st_mode for one in folders}
        for one in folders:
            one.chmod(0o500)
        try:
            yield
        finally:
            for one, mode in modes.items():
                one.chmod(mode)
        return
    with _mounted(folder, "--bind", str(folder), str(folder)):
        if error := _mount("-o", "remount,ro,bind", str(folder)):
            raise OSError(error)
        yield


@contextmanager
def _mounted(folder: Path, *arguments: str) -> Iterator[None]:
    if error := _mount(*arguments):
        raise OSError(error)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@cache
def no_small_disk() -> str:
    """Why this process cannot mount a small disk; "" if it can."""
    return _why_not(lambda folder: small_disk(folder, 2**20))


@cache
def no_read_only() -> str:
    """Why this process cannot have a read-only folder; "" if it can."""
    return _why_not(read_only)


def _why_not(made: object) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with made(Path(folder)):  # type: ignore[operator]
                return ""
        except OSError as error:
            return f"cannot mount here ({error})"
