"""Lists and tables in a folder that name the split of each image -> the key `split`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.discovery.split_choice import choose_splits
from prn_pipeline.data.discovery.words import split_word
from prn_pipeline.data.readers.listed_names import image_names, rows_of
from prn_pipeline.data.readers.sample_ids import plain_id

#: Names of columns that hold splits, in lower case.
COLUMNS = ("split", "subset", "set", "partition", "phase", "fold", "usage", "dataset")


class FoundSplit(NamedTuple):
    """A split that the data set defines.

    Attributes:
        block: the value of the key `split`; empty if there is none.
        notes: what was decided without proof, or could not be used, one sentence each.
    """

    block: dict[str, Any]
    notes: tuple[str, ...] = ()


def find_split(inventory: Inventory, known: Mapping[str, str]) -> FoundSplit:
    """The first usable split of lists (train.txt, test.txt), then of tables with a column of splits.

    Args:
        inventory: of the data set's folder.
        known: every name of an image -> its sample id, as `names_of_samples` returns them.
    """
    notes: list[str] = []
    for found in (*_lists(inventory, known), *_tables(inventory, known)):
        if found.block:
            return found
        notes += found.notes
    return FoundSplit({}, tuple(notes))


def _lists(inventory: Inventory, known: Mapping[str, str]) -> Iterator[FoundSplit]:
    by_folder: dict[PurePosixPath, dict[str, PurePosixPath]] = defaultdict(dict)
    for path in inventory.others:
        split = split_word(path.stem)
        if path.suffix.lower() in (".txt", ".lst", "") and split:
            by_folder[path.parent].setdefault(split, path)
    for files in by_folder.values():
        wrong = [path for path in files.values() if not _names_images(inventory.text(path), known)]
        choice = choose_splits([split for split, path in files.items() if path not in wrong])
        if choice is None:
            if wrong:
                yield FoundSplit({}, (f"{wrong[0]} is no list of one image per line: not used for `split`.",))
            continue
        named = {key: str(files[name]) if name else None for key, name in choice.named().items()}
        yield FoundSplit({"method": "lists", **named}, (choice.note,) if choice.note else ())


def _names_images(text: str, known: Mapping[str, str]) -> bool:
    entries = [line.strip() for line in text.splitlines() if line.strip()]
    return bool(entries) and _all_known(entries, known)


def _all_known(names: Sequence[str], known: Mapping[str, str]) -> bool:
    return all(plain_id(name) in known for name in image_names(names, known))


def _tables(inventory: Inventory, known: Mapping[str, str]) -> Iterator[FoundSplit]:
    for path in inventory.others:
        if path.suffix.lower() not in (".csv", ".tsv"):
            continue
        rows = rows_of(inventory.text(path))
        columns = list(rows[0]) if rows else []
        column = next((name for name in columns if name.strip().lower() in COLUMNS), None)
        if column is None:
            continue
        ids = next((name for name in columns if _all_known([row[name] for row in rows], known)), None)
        if ids is None:
            yield FoundSplit({}, (f"{path} has the column `{column}`, but none with names of all images: not used.",))
            continue
        yield _column_split(path, ids, column, {row[column].strip() for row in rows} - {""})


def _column_split(path: PurePosixPath, ids: str, column: str, values: set[str]) -> FoundSplit:
    words = {value: split_word(value) for value in values}
    own = {split: value for value, split in words.items() if split}
    if None in words.values() or len(own) < len(words) or "test" not in own or len(own) < 2:
        listed = ", ".join(sorted(values)[:5])
        return FoundSplit(
            {}, (f"{path}: `{column}` holds {listed}, expected train, val and test: not used for `split`.",)
        )
    block: dict[str, Any] = {"method": "column", "file": str(path), "id": ids, "column": column}
    return FoundSplit(block | {split: value for split, value in sorted(own.items()) if split != value})
