"""The table of splits that is written into a data set's folder, where no setting expresses what names say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prn_pipeline.data.discovery.matching import Paths
from prn_pipeline.data.discovery.split_choice import choose_splits
from prn_pipeline.data.readers.sample_files import Files
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError

TABLE = "splits_by_folder.csv"


def write_table(folder: Path, splits: Mapping[str, Paths], files: Files) -> tuple[Path, str]:
    """Write the split of each sample.

    Args:
        folder: of the data set.
        splits: split -> its images, relative to the folder.
        files: of each sample.

    Returns:
        The table, and what to say of splits that are missing; "" if none is.

    Raises:
        UserError: the folder cannot be written.
    """
    choice = choose_splits(splits)
    assert choice is not None
    named = {own: key for key, own in choice.named().items() if own}
    split_of_image = {folder / path: named[own] for own, paths in splits.items() for path in paths}
    rows = [(sample_id, split_of_image.get(paths["image"][0], "")) for sample_id, paths in files.items()]
    path = folder / TABLE
    text = "sample_id,split\n" + "".join(f"{_quoted(sample_id)},{split}\n" for sample_id, split in rows)
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except PermissionError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}). Folders or files there name splits that need this"
            " table: allow writing, or arrange the files as train/images, train/masks, test/images and test/masks."
        ) from error
    return path, choice.note


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text
