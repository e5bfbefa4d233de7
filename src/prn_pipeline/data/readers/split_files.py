"""Splits and groups that a data set defines, in lists of ids or in a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from prn_pipeline.data.readers.listed_names import image_names, read_text, separator_of
from prn_pipeline.data.readers.sample_ids import compile_expression, plain_id
from prn_pipeline.data.splits.settings import ColumnSplit, GroupSettings, ListsSplit
from prn_pipeline.data.store.spreadsheets import unescaped
from prn_pipeline.errors import UserError

#: Entries of a file in one error message.
MAX_LISTED = 5


def splits_from_lists(
    folder: Path, split: ListsSplit, known: Mapping[str, str], groups: Mapping[str, str]
) -> dict[str, str]:
    """{sample_id: split} from one text file per split.

    Args:
        folder: the data set's folder.
        split: names the files.
        known: {name that a line may use: sample_id}.
        groups: {sample_id: group}; a line may name a group, which stands for all its samples.

    Raises:
        UserError: a file is missing or empty, an id has no image, or a sample is in two lists.
    """
    found: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for sample_id, group in groups.items():
        members.setdefault(group, []).append(sample_id)
    for name, file in {"train": split.train, "val": split.val, "test": split.test}.items():
        if file is None:
            continue
        entries = [line.strip() for line in read_text(folder / file, f"split.{name}").splitlines() if line.strip()]
        if not entries:
            raise UserError(
                f"{folder / file}: the {name} list is empty. Put sample ids there, one per line{_or_null(name)}."
            )
        ids = [
            sample_id for entry in entries if entry in members and entry not in known for sample_id in members[entry]
        ]
        named = [entry for entry in entries if entry in known or entry not in members]
        ids += _known_ids(image_names(named, known), known, folder / file)
        for sample_id in ids:
            if found.setdefault(sample_id, name) != name:
                raise UserError(
                    f"{folder / file}: sample {sample_id} is in the {found[sample_id]} list and in the {name} "
                    "list. Remove it from one of them."
                )
    return found


def splits_from_column(folder: Path, split: ColumnSplit, known: Mapping[str, str]) -> dict[str, str]:
    """{sample_id: split} from a column of a table; rows with an empty value are left out.

    Raises:
        UserError: as `splits_from_lists`, or the column holds another value than those of train, val and test.
    """
    words = {split.train: "train", split.val: "val", split.test: "test"}
    values = {key: word for key, word in _column(folder / split.file, split.id, split.column, known).items() if word}
    strange = sorted(set(values.values()) - set(words))
    if strange:
        raise UserError(
            f"{folder / split.file}: column '{split.column}' holds {', '.join(strange[:MAX_LISTED])}; expected "
            f"{', '.join(words)}. Correct the file, or set `split.train`, `split.val` and `split.test` to its values."
        )
    return {sample_id: words[word] for sample_id, word in values.items()}


def groups_of(folder: Path, group: GroupSettings, known: Mapping[str, str]) -> dict[str, str]:
    """{sample_id: group} for every sample.

    Raises:
        UserError: the expression or the table leaves a sample without a group.
    """
    ids = sorted(set(known.values()))
    if group.pattern is not None:
        expression = compile_expression(group.pattern, "split.group.pattern")
        matches = {sample_id: expression.search(sample_id) for sample_id in ids}
        found = {sample_id: match.group(1) or "" for sample_id, match in matches.items() if match}
        source = f"`split.group.pattern: {group.pattern}`"
    else:
        assert group.file is not None
        found = _column(folder / group.file, group.id, group.column, known)
        source = str(folder / group.file)
    without = [sample_id for sample_id in ids if not found.get(sample_id)]
    if without:
        raise UserError(
            f"{source} gives no group for {len(without)} of {len(ids)} samples: {', '.join(without[:MAX_LISTED])}. "
            "Every sample needs a group; that of a single sample can be its own id."
        )
    return found


def _or_null(split: str) -> str:
    return "" if split == "test" else f", or set `split.{split}: null`"


def _known_ids(names: list[str], known: Mapping[str, str], file: Path) -> list[str]:
    plain = [_plain(name, known) for name in names]
    unknown = [name for name, one in zip(names, plain, strict=True) if one not in known]
    if unknown:
        raise UserError(
            f"{file}: {len(unknown)} of {len(names)} entries have no image: {', '.join(unknown[:MAX_LISTED])}. "
            f"Expected sample ids such as {', '.join(sorted(set(known.values()))[:2])}. Add the images, or remove the"
            " entries."
        )
    return [known[one] for one in plain]


def _plain(name: str, known: Mapping[str, str]) -> str:
    """An id as `known` spells it, also as the tables of this package write ids that look like a formula."""
    plain = plain_id(name)
    return plain if plain in known else plain_id(unescaped(name.strip()))


def _column(file: Path, id_column: str, column: str, known: Mapping[str, str]) -> dict[str, str]:
    text = read_text(file, "file")
    try:
        table = pd.read_csv(
            file,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            sep=separator_of(text),
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(
            f"{file}: not a readable CSV table ({error}). Expected a header row and one row per sample."
        ) from error
    absent = [name for name in (id_column, column) if name not in table.columns]
    if absent:
        raise UserError(
            f"{file}: no column {', '.join(map(repr, absent))}; it has {', '.join(map(repr, table.columns))}. Name the "
            "right ones with `id` and `column`."
        )
    found: dict[str, str] = {}
    for sample_id, value in zip(
        _known_ids(image_names(table[id_column], known), known, file), table[column], strict=True
    ):
        if found.setdefault(sample_id, value.strip()) != value.strip():
            raise UserError(
                f"{file}: sample {sample_id} is listed twice, as '{found[sample_id]}' and as '{value.strip()}'. "
                "Keep one row."
            )
    return found
