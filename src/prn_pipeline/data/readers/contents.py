"""Files whose contents are not on this machine: links and pointers of git-annex, DVC and Git LFS, and empty files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from prn_pipeline.errors import UserError

#: Files of one kind that a message names.
MAX_LISTED = 3
#: Bytes that no pointer exceeds.
_LONGEST_POINTER = 1024
_LFS, _ANNEX = b"version https://git-lfs", b"annex/objects/"

#: Kind -> what such files are, and what to do in their folder.
_KINDS = {
    "annex": ("of git-annex without content", "run `git annex get .`"),
    "dvc": ("of DVC without content", "run `dvc pull`"),
    "lfs": ("Git LFS pointers", "run `git lfs pull`"),
    "link": ("links to nothing", "mount or restore what they point to"),
    "empty": ("empty", "download or export them again"),
}
#: The same of one file.
_ALONE = {
    "annex": "git-annex has not fetched its content. Run `git annex get .` in {folder}.",
    "dvc": "DVC has not fetched its content. Run `dvc pull` in {folder}.",
    "lfs": "a Git LFS pointer, without its content. Run `git lfs pull` in {folder}.",
    "link": "a link to nothing. Mount or restore what it points to.",
    "empty": "the file is empty. Download or export it again.",
}


def absent_kind(path: Path) -> str | None:
    """Why a file has no contents: a key of the table above; None if it has some, or if there is no such file at all."""
    try:
        size = path.stat().st_size
    except OSError:
        return _kind_of_link(path)
    if path.is_dir():  # a .zarr store
        return None
    if size == 0:
        return "empty"
    if size > _LONGEST_POINTER:
        return None
    try:
        with path.open("rb") as file:
            start = file.read()
    except OSError:
        return None  # the error of decoding says why
    return "lfs" if start.startswith(_LFS) else "annex" if _ANNEX in start else None


def why_absent(path: Path) -> str | None:
    """The same in words about one file, with the remedy; None if the file has contents."""
    kind = absent_kind(path)
    return _ALONE[kind].format(folder=path.parent) if kind else None


def require_contents(files: Iterable[Path], folder: Path) -> None:
    """Check that files have contents: one message counts those that have none, and says how to get them.

    Args:
        files: those that will be read.
        folder: the data set's folder, for messages.

    Raises:
        UserError: some are links to nothing, pointers, or empty.
    """
    listed = list(files)
    absent: dict[str, list[Path]] = defaultdict(list)
    for path in listed:
        kind = absent_kind(path)
        if kind:
            absent[kind].append(path)
    if absent:
        count = sum(map(len, absent.values()))
        raise UserError(
            f"{folder}: the contents of {count} of {len(listed)} files are not here: "
            + "; ".join(_line(kind, paths, folder) for kind, paths in absent.items())
            + f". Do so in {folder}, or remove these files and their partners."
        )


def _line(kind: str, paths: list[Path], folder: Path) -> str:
    names = ", ".join(_below(path, folder) for path in paths[:MAX_LISTED]) + (
        ", ..." if len(paths) > MAX_LISTED else ""
    )
    what, remedy = _KINDS[kind]
    return f"{len(paths)} {what} ({names}), {remedy}"


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _kind_of_link(path: Path) -> str | None:
    if path.with_name(f"{path.name}.dvc").is_file():
        return "dvc"
    if not path.is_symlink():
        return None
    target = os.readlink(path)
    if "annex/objects" in target:
        return "annex"
    return "dvc" if ".dvc/" in target or "/files/md5/" in target else "link"
