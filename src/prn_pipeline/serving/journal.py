"""What has been done to a folder of images, a line each: a killed run goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions

#: Below the folder that results are written to.
NAME = ".refined.jsonl"

Entry = dict[str, Any]


class Journal:
    """Entries by name of the image, the newest counts.

    Args:
        folder: that results are written to.
        made_with: what all entries have in common: model and options.

    Raises:
        UserError: the folder has results of another model or of other options, or its journal is damaged.
    """

    def __init__(self, folder: Path, made_with: Entry) -> None:
        self._path = folder / NAME
        self.entries: dict[str, Entry] = {}
        lines = _read(self._path)
        if lines and lines[0] != made_with:
            changed = sorted(key for key in made_with if lines[0].get(key) != made_with[key])
            raise UserError(
                f"{folder} holds results of another run: {', '.join(changed)} differ. Choose another folder, or do"
                " them again with --overwrite."
            )
        for entry in lines[1:]:
            self.entries[entry["name"]] = entry
        if not lines:
            folder.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(made_with) + "\n")

    @staticmethod
    def forget(folder: Path) -> dict[str, Entry]:
        """Everything is to be done again; what was on record, by name."""
        try:
            before = {entry["name"]: entry for entry in _read(folder / NAME)[1:]}
        except UserError:  # damaged: that is what one does it again for
            before = {}
        (folder / NAME).unlink(missing_ok=True)
        return before

    def add(self, entry: Entry) -> None:
        """Remember one image, whose files are written."""
        self.entries[entry["name"]] = entry
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def is_done(self, name: str, source: Path) -> bool:
        """Whether this very file has been refined."""
        return self.entries.get(name, {}).get("source") == stamp(source)


def _read(file: Path) -> list[Entry]:
    """All lines; one that was being written when its process was killed is cut off."""
    if not file.is_file():
        return []
    try:
        text = file.read_text()
        whole = text[: text.rfind("\n") + 1]
        lines: list[Entry] = [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise UserError(
            f"{file}: not what was written here ({error}). Remove the file, or refine all images again with"
            " --overwrite."
        ) from error
    if whole != text:
        file.write_text(whole)
    return lines


def stamp(source: Path) -> list[int]:
    """Size and time of change of a file: another one has another stamp."""
    found = source.stat()
    return [found.st_size, found.st_mtime_ns]


def as_json(description: Descriptions) -> Entry:
    """A description of one image, for an entry."""
    return {name: column[0].tolist() for name, column in description._asdict().items()}


def from_json(entries: list[Entry]) -> Descriptions:
    """The descriptions of entries, together."""
    return Descriptions(*(np.array([entry[name] for entry in entries], np.float32) for name in Descriptions._fields))
