"""Which mask belongs to which image, where lists or tables say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from prn_pipeline.data.file_settings import ListPairing
from prn_pipeline.data.readers.listed_names import (
    Pair,
    names_of_files,
    pairs_in_lines,
    read_text,
    resolved,
    rows_of,
)
from prn_pipeline.errors import UserError, counted

#: Names in one message.
MAX_LISTED = 5


def listed_pairs(
    folder: Path, pairing: ListPairing, images: Sequence[Path], masks: Sequence[Path]
) -> list[tuple[Path, Path]]:
    """Image and mask of each line of all files of the setting, in order.

    Args:
        folder: of the data set, which the lists lie below.
        pairing: names the lists, and the columns of tables.
        images: files that lines may name.
        masks: files that lines may name.

    Raises:
        UserError: a list is missing, is no list of pairs, or names a file that is not among `images` or `masks`; or a
            mask is paired with two images.
    """
    known = [names_of_files(files, folder) for files in (images, masks)]
    found: dict[tuple[Path, Path], None] = {}
    for name in pairing.files:
        found |= dict.fromkeys(_pairs_of(folder / name, pairing, *known))
    image_of: dict[Path, Path] = {}
    for image, mask in found:
        if (other := image_of.setdefault(mask, image)) != image:
            raise UserError(
                f"{', '.join(pairing.files)} in {folder}: the mask {mask.name} is paired with both {other.name} and"
                f" {image.name}. Give each image a mask of its own, or remove one of the lines."
            )
    return list(found)


def _pairs_of(
    file: Path, pairing: ListPairing, images: Mapping[str, Path], masks: Mapping[str, Path]
) -> list[tuple[Path, Path]]:
    text = read_text(file, "pairing.files")
    pairs = _rows(file, text, pairing) if pairing.image else pairs_in_lines(text, images, masks)
    if not pairs:
        raise UserError(
            f"{file}: no line names an image and its mask, as in `images/7.jpg masks/7.png`; files of `images` and"
            f" `masks` are such as {_names(images)} and {_names(masks)}. Correct the file, or name the columns of a"
            " table that has a header: `pairing: {by: list, files: [...], image: ..., mask: ...}`."
        )
    found = []
    for kind, known, names in (
        ("image", images, [pair.image for pair in pairs]),
        ("mask", masks, [pair.mask for pair in pairs]),
    ):
        files = resolved(names, known)
        missing = [pair for pair, path in zip(pairs, files, strict=True) if path is None]
        if missing:
            listed = ", ".join(f"{getattr(pair, kind)} (line {pair.line})" for pair in missing[:MAX_LISTED])
            raise UserError(
                f"{file}: {counted(len(missing), 'line')} of {len(pairs)} without {kind} file:"
                f" {listed}{', ...' if len(missing) > MAX_LISTED else ''}. Add the files, remove the lines, or correct"
                f" `{kind}s`, which finds {_names(known)}."
            )
        found.append([path for path in files if path is not None])
    return list(zip(*found, strict=True))


def _rows(file: Path, text: str, pairing: ListPairing) -> list[Pair]:
    assert pairing.image is not None
    assert pairing.mask is not None
    rows = rows_of(text)
    columns = list(rows[0]) if rows else []
    absent = [name for name in (pairing.image, pairing.mask) if name not in columns]
    if absent:
        raise UserError(
            f"{file}: no column {', '.join(map(repr, absent))}; it has {', '.join(map(repr, columns)) or 'none'}."
            " Correct `pairing.image` and `pairing.mask`."
        )
    return [Pair(line, row[pairing.image], row[pairing.mask]) for line, row in enumerate(rows, 2)]


def _names(known: Mapping[str, Path]) -> str:
    return next((path.name for path in known.values()), "none")
