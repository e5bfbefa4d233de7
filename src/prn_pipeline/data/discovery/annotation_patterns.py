"""Names or patterns that find certain annotation files, and no others: the key `annotations.files`."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import PurePosixPath

from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.discovery.patterns import pattern_of
from prn_pipeline.data.readers.annotations.annotated import Format
from prn_pipeline.errors import UserError

#: Files that are listed one by one, and folders with a pattern each.
MAX_FILES = 4


def file_patterns(
    inventory: Inventory, format: Format, files: Sequence[PurePosixPath], names: PurePosixPath | None
) -> list[str]:
    """Files by name if they are few; otherwise a pattern per folder, or one for all folders.

    Args:
        inventory: of the data set's folder.
        format: of the files.
        files: the annotations, relative to that folder.
        names: the file that names the categories, likewise; None for none.

    Raises:
        UserError: other files with their suffix lie beside them, or no pattern finds them alone.
    """
    folder = inventory.folder
    if len(files) <= MAX_FILES:
        return [escape(str(path)) for path in files]
    suffix = files[0].suffix
    places = sorted({path.parent for path in files})
    patterns = [str(PurePosixPath(escape(str(place))) / f"*{suffix}") for place in places]
    there = {path for place in places for path in (folder / place).glob(f"*{suffix}")}
    exact = there <= {folder / path for path in (*files, *([names] if names else []))}
    if exact and len(places) <= MAX_FILES:
        return patterns
    try:
        return [pattern_of(folder, files, "annotations")]
    except UserError:
        known = {*files, *([names] if names else [])}
        strange = [path for path in inventory.others if path.suffix.lower() == suffix and path not in known]
        if not (beside := [path for path in strange if path.parent in places]):
            raise
        raise UserError(
            f"{folder}: {beside[0]} lies beside {len(files)} annotation files of {format.label}, but does not look like"
            f" one ({len(beside)} such files). Correct it, or move it to another folder."
        ) from None
