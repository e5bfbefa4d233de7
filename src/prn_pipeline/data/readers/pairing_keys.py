"""A rule for pairs -> the sample id of each file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prn_pipeline.data.file_settings import ListPairing, RegexPairing, StemPairing
from prn_pipeline.data.readers.file_kinds import stem_of
from prn_pipeline.data.readers.listed_pairs import listed_pairs
from prn_pipeline.data.readers.sample_ids import compile_expression, ids_of_images

Pairing = StemPairing | RegexPairing | ListPairing
#: A file -> its sample id; None for a file that is left out.
KeyOf = Callable[[Path], str | None]


def key_functions(
    images: list[Path], others: dict[str, list[Path]], pairing: Pairing, folder: Path
) -> dict[str, KeyOf]:
    """The rule of each kind of files, "image" and those of `others`.

    Args:
        images: image files.
        others: kind -> its files; `mask` is among them if a list pairs.
        pairing: the data set's rule.
        folder: the data set's folder.

    Raises:
        UserError: an expression does not compile, or a list is missing or names files that are not there.
    """
    if isinstance(pairing, ListPairing):
        return _listed(listed_pairs(folder, pairing, images, others["mask"]), others, folder)
    if isinstance(pairing, StemPairing):
        return dict.fromkeys(("image", *others), stem_of)
    of_masks = _found_by(pairing.mask, "pairing.mask", folder)
    return dict.fromkeys(others, of_masks) | {"image": _found_by(pairing.image, "pairing.image", folder)}


def _listed(pairs: Sequence[tuple[Path, Path]], others: Iterable[str], folder: Path) -> dict[str, KeyOf]:
    ids = ids_of_images([image for image, _ in pairs], folder)
    of_masks = {mask: ids[image] for image, mask in pairs}
    by_stem = {stem_of(image): sample_id for image, sample_id in ids.items()}

    def of_others(path: Path) -> str | None:
        return by_stem.get(stem_of(path))

    return dict.fromkeys(others, of_others) | {"image": ids.get, "mask": of_masks.get}


def _found_by(expression: str, setting: str, folder: Path) -> KeyOf:
    compiled = compile_expression(expression, setting)

    def key_of(path: Path) -> str | None:
        text = path.relative_to(folder).as_posix() if "/" in compiled.pattern else path.name
        match = compiled.search(text)
        return match.group(1) if match else None

    return key_of
