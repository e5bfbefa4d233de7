"""The journal of a folder job, one line per refined image, from which an interrupted run resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from prn_pipeline.data.store.checksums import ChecksumError, with_checksum, without_checksum
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.processes.full_disks import naming_full_disk

#: File name in the folder of results.
NAME = ".refined.jsonl"

Entry = dict[str, Any]

_REMEDY = "remove the file, or refine all images again with --overwrite"
#: What reading a damaged line raises.
_DAMAGES = (ValueError, AttributeError, ChecksumError)


class Journal:
    """Entries by image name; of several entries for one image, the newest.

    Args:
        folder: folder of results.
        header: the model and the options, which all entries share.
        file: name of the journal in it.

    Raises:
        UserError: the folder has results of another model or of other options, or its journal is damaged.
    """

    def __init__(self, folder: Path, header: Entry, file: str = NAME) -> None:
        _check_place(folder / file)
        self._path = folder / file
        self.entries = Entries(self._path)
        lines = _lines(self._path)
        first = next(lines, None)
        if first is None:
            folder.mkdir(parents=True, exist_ok=True)
            with naming_full_disk(self._path):
                self._path.write_text(_line(header))
        elif first.entry != header:
            changed = sorted(key for key in header if first.entry.get(key) != header[key])
            raise UserError(
                f"{folder} holds results of another run: {', '.join(changed)} differ. Choose another folder, or replace"
                " the results with --overwrite."
            )
        for line in lines:
            self.entries.place(line.entry["name"], line.start, line.length)

    @staticmethod
    def reset(folder: Path, file: str = NAME) -> dict[str, str | None]:
        """Delete the journal of a folder; returns the folder of images of each entry, by image name."""
        _check_place(folder / file)
        try:
            before = {line.entry["name"]: line.entry.get("images") for line in _lines(folder / file) if line.start}
        except UserError:  # a damaged journal is a reason to start again
            before = {}
        (folder / file).unlink(missing_ok=True)
        return before

    def add(self, entry: Entry) -> None:
        """Record one image after its results are written."""
        line = _line(entry).encode()
        with naming_full_disk(self._path), self._path.open("ab") as file:
            start = file.tell()
            file.write(line)
        self.entries.place(entry["name"], start, len(line))

    def is_done(self, name: str, version: list[Any]) -> bool:
        """Whether this version of an image and its maps has been refined; see `FolderJob.version`."""
        return self.entries.get(name, {}).get("source") == version


class Entries(Mapping[str, Entry]):
    """The newest entry of each image, read from the journal when it is asked for: memory holds only where they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}

    def place(self, name: str, start: int, length: int) -> None:
        """Note where in the file, in bytes, the newest entry of an image is."""
        self._places[name] = (start, length)

    def __getitem__(self, name: str) -> Entry:
        start, length = self._places[name]
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return _parsed(file.read(length))
        except (FileNotFoundError, *_DAMAGES) as error:
            raise UserError(f"{self._path} was changed while it was in use ({error}): {_REMEDY}") from error

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _Line(NamedTuple):
    """A line of a journal: its first byte, its length in bytes, and its entry; the first one is the header."""

    start: int
    length: int
    entry: Entry


def _check_place(journal: Path) -> None:
    folder = journal.parent
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, expected a folder for the results: choose another with --out")
    if journal.is_dir():
        raise UserError(f"{journal} is a folder, expected a file: remove it, and all images are refined again")


def _lines(journal: Path) -> Iterator[_Line]:
    """All complete lines; an incomplete last line, which a killed process leaves, is removed from the file."""
    if not journal.is_file():
        return
    start = 0
    with journal.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = _parsed(line)
                if number > 1 and not isinstance(entry.get("name"), str):
                    raise ValueError(f"line {number} has no 'name' that is a text")
            except RecursionError as error:
                raise UserError(f"{journal} is damaged (a line is nested too deeply): {_REMEDY}") from error
            except _DAMAGES as error:
                raise UserError(f"{journal} is damaged ({error}): {_REMEDY}") from error
            yield _Line(start, len(line), entry)
            start += len(line)
        else:
            return
    with journal.open("ab") as file:
        file.truncate(start)


def _parsed(line: bytes) -> Entry:
    return without_checksum(json.loads(line.decode()))


def _line(entry: Entry) -> str:
    return json.dumps(with_checksum(entry)) + "\n"


def stamp(source: Path) -> list[int]:
    """Size and modification time of a file, or of the files of a folder, which identify its version.

    A link to nothing has none.
    """
    try:
        if not source.is_dir():
            found = source.stat()
            return [found.st_size, found.st_mtime_ns]
        found_below = [file.stat() for file in source.rglob("*") if file.is_file()]
        return [sum(one.st_size for one in found_below), max((one.st_mtime_ns for one in found_below), default=0)]
    except FileNotFoundError:
        return []


def as_json(description: Descriptions) -> Entry:
    """The description of one image as JSON values."""
    return {name: column[0].tolist() for name, column in description._asdict().items()}


def from_json(entries: list[Entry]) -> Descriptions:
    """Descriptions of several images, stacked."""
    return Descriptions(*(np.array([entry[name] for entry in entries], np.float32) for name in Descriptions._fields))
