"""The journal of a folder job, one line per refined image, from which an interrupted run resumes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from prn_pipeline.data.store.checksums import ChecksumError, with_checksum, without_checksum
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.processes.full_disks import naming_full_disk

#: File name in the folder of results.
NAME = ".refined.jsonl"

Entry = dict[str, Any]

_REMEDY = "remove the file, or refine all images again with --overwrite"


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
        self.entries: dict[str, Entry] = {}
        lines = _read(self._path)
        if lines and lines[0] != header:
            changed = sorted(key for key in header if lines[0].get(key) != header[key])
            raise UserError(
                f"{folder} holds results of another run: {', '.join(changed)} differ. Choose another folder, or replace"
                " the results with --overwrite."
            )
        for entry in lines[1:]:
            self.entries[entry["name"]] = entry
        if not lines:
            folder.mkdir(parents=True, exist_ok=True)
            with naming_full_disk(self._path):
                self._path.write_text(_line(header))

    @staticmethod
    def reset(folder: Path, file: str = NAME) -> dict[str, Entry]:
        """Delete the journal of a folder; returns its entries by image name."""
        _check_place(folder / file)
        try:
            before = {entry["name"]: entry for entry in _read(folder / file)[1:]}
        except UserError:  # a damaged journal is a reason to start again
            before = {}
        (folder / file).unlink(missing_ok=True)
        return before

    def add(self, entry: Entry) -> None:
        """Record one image after its results are written."""
        self.entries[entry["name"]] = entry
        with naming_full_disk(self._path), self._path.open("a") as file:
            file.write(_line(entry))

    def is_done(self, name: str, source: Path) -> bool:
        """Whether this file, in its current version, has been refined."""
        return self.entries.get(name, {}).get("source") == stamp(source)


def _check_place(journal: Path) -> None:
    folder = journal.parent
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, expected a folder for the results: choose another with --out")
    if journal.is_dir():
        raise UserError(f"{journal} is a folder, expected a file: remove it, and all images are refined again")


def _read(file: Path) -> list[Entry]:
    """All complete lines; an incomplete last line, which a killed process leaves, is removed from the file."""
    if not file.is_file():
        return []
    try:
        text = file.read_text()
        complete = text[: text.rfind("\n") + 1]
        lines: list[Entry] = [without_checksum(json.loads(line)) for line in complete.splitlines()]
        if unnamed := [
            number for number, entry in enumerate(lines[1:], start=2) if not isinstance(entry.get("name"), str)
        ]:
            raise ValueError(f"line {unnamed[0]} has no 'name' that is a text")
    except RecursionError as error:
        raise UserError(f"{file} is damaged (a line is nested too deeply): {_REMEDY}") from error
    except (ValueError, AttributeError, ChecksumError) as error:
        raise UserError(f"{file} is damaged ({error}): {_REMEDY}") from error
    if complete != text:
        os.truncate(file, len(complete.encode()))  # on a full disk, writing it again would lose all of it
    return lines


def _line(entry: Entry) -> str:
    return json.dumps(with_checksum(entry)) + "\n"


def stamp(source: Path) -> list[int]:
    """Size and modification time of a file, which identify its version; a link to nothing has none."""
    try:
        found = source.stat()
    except FileNotFoundError:
        return []
    return [found.st_size, found.st_mtime_ns]


def as_json(description: Descriptions) -> Entry:
    """The description of one image as JSON values."""
    return {name: column[0].tolist() for name, column in description._asdict().items()}


def from_json(entries: list[Entry]) -> Descriptions:
    """Descriptions of several images, stacked."""
    return Descriptions(*(np.array([entry[name] for entry in entries], np.float32) for name in Descriptions._fields))
