"""Pairs images with their masks and ignore regions."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from prn_pipeline.data.file_settings import ListPairing, StemPairing
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_kinds import PICTURES, how_to_read, kind_of, stem_of
from prn_pipeline.data.readers.pairing_keys import KeyOf, Pairing, key_functions
from prn_pipeline.data.readers.pairing_proposal import propose
from prn_pipeline.data.readers.sample_ids import plain_id
from prn_pipeline.errors import UserError, counted, counted_of

logger = logging.getLogger(__name__)
#: Names of files in one message.
MAX_LISTED = 5

Absent = Literal["error", "leave_out", "background"]


def pair_files(
    images: list[Path],
    others: dict[str, list[Path]],
    pairing: Pairing,
    folder: Path,
    account: FileAccount | None = None,
    several: bool = False,
    absent: Absent = "error",
) -> dict[str, dict[str, list[Path]]]:
    """Find each image's mask (and ignore region).

    Args:
        images: image files.
        others: files of each other kind, for example {"mask": [...], "ignore region": [...]}.
        pairing: the data set's rule.
        folder: the data set's folder, which paths in expressions are relative to.
        account: notes the files that no expression matches.
        several: whether an image may have several files of each other kind.
        absent: what happens to images without a mask; see `MaskSettings.absent`.

    Returns:
        {sample_id: {"image": [path], kind: paths, ...}}, sorted by sample_id; one path each unless `several`, and no
        mask where it is absent and that means background.

    Raises:
        UserError: two files of one kind share an id, a file has no partner, or an expression does not compile or match.
    """
    key_of = key_functions(images, others, pairing, folder)
    keyed = {
        kind: _by_key(kind, files, key_of[kind], folder, several and kind != "image")
        for kind, files in {"image": images, **others}.items()
    }
    unmatched = {*images, *(path for files in others.values() for path in files)} - {
        path for by_key in keyed.values() for paths in by_key.values() for path in paths
    }
    listed = isinstance(pairing, ListPairing)
    if unmatched:
        names = _names(path.relative_to(folder).as_posix() for path in sorted(unmatched))
        logger.warning(
            "%s: left out %s that no %s: %s",
            folder,
            counted(len(unmatched), "file"),
            "line of `pairing.files` names" if listed else "expression of `pairing` matches",
            names,
        )
        if account is not None:
            reason = "named by no line of `pairing.files`" if listed else "matched by no expression of `pairing`"
            for kind, files in {"image": images, **others}.items():
                account.leave_out(kind, reason, [path.name for path in files if path in unmatched])
    problems = []
    if absent == "leave_out":
        _leave_out_unlabelled(keyed, folder, account)
    for kind in others:
        if kind != "mask" or absent == "error":
            problems += _missing("image", keyed["image"], kind, keyed[kind])
        problems += _missing(kind, keyed[kind], "image", keyed["image"])
    if problems:
        raise UserError(f"{folder}: {' '.join(problems)} {_remedy(images, others.get('mask', []), pairing)}")
    return {key: {kind: files.get(key, []) for kind, files in keyed.items()} for key in sorted(keyed["image"])}


def _leave_out_unlabelled(
    keyed: Mapping[str, dict[str, list[Path]]], folder: Path, account: FileAccount | None
) -> None:
    """Remove images without a mask, and the other files of these, with a warning."""
    images = keyed["image"]
    left = [images[key][0].name for key in sorted(set(images) - set(keyed["mask"]))]
    if left:
        among = counted_of(len(left), len(images), "images")
        logger.warning("%s: %s without mask: left out, as not labelled (%s)", folder, among, _names(left))
        if account is not None:
            account.leave_out("image", "without mask", left)
    for files in (files for kind, files in keyed.items() if kind != "mask"):
        for key in set(files) - set(keyed["mask"]):
            del files[key]


def _remedy(images: list[Path], masks: list[Path], pairing: Pairing) -> str:
    names = [path.name for path in images], [path.name for path in masks]
    proposal = propose(*names) if isinstance(pairing, StemPairing) else None
    if proposal and proposal.image != proposal.mask:  # one expression for both pairs no more files than equal names do
        return f"Set {proposal.text()} if this is how their names correspond; or add the missing files."
    stems = [{stem_of(path) for path in paths} for paths in (images, masks)]
    folded = [{stem.casefold() for stem in found} for found in stems]
    case = "Some names differ only in upper and lower case: rename them. " if _more_in_common(folded, stems) else ""
    return (
        f"{case}Add the missing files, remove the others, or describe with `pairing` how their names correspond: {{by:"
        " regex, image: ..., mask: ...}. Images without a mask may be left out: `mask: {absent: leave_out}`."
    )


def _more_in_common(folded: list[set[str]], stems: list[set[str]]) -> bool:
    return len(folded[0] & folded[1]) > len(stems[0] & stems[1])


def _by_key(kind: str, files: list[Path], key_of: KeyOf, folder: Path, several: bool) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for path in files:
        key = key_of(path)
        if key:
            found[plain_id(key)].append(path)
    if not found:
        raise UserError(
            f"{folder}: `pairing` matches none of {counted(len(files), kind + ' file')}, such as "
            f"{_names(path.relative_to(folder).as_posix() for path in files)}. Correct it."
        )
    twice = [paths for _, paths in sorted(found.items()) if len(paths) > 1]
    if twice and not several:
        examples = "; ".join(
            " and ".join(path.relative_to(folder).as_posix() for path in paths) for paths in twice[:MAX_LISTED]
        )
        unite = "" if kind == "image" else "If they belong to one image, unite them: `mask: {masks_per_image: union}`. "
        folders = any(len({path.parent for path in paths}) > 1 for paths in twice)
        rename = "Otherwise keep one of each" if unite else "Keep one of each"
        part_of_id = ", or make the folder part of the id: `pairing: {by: regex, image: '(.+/.+)\\.jpg', ...}`"
        raise UserError(
            f"{folder}: {len(twice)} sample {'ids stand' if len(twice) > 1 else 'id stands'} for more than one {kind}"
            f" file: {examples}. {unite}{rename}, or rename the others{part_of_id if folders else ''}."
        )
    return dict(found)


def _missing(kind: str, has: dict[str, list[Path]], other: str, among: dict[str, list[Path]]) -> list[str]:
    alone = sorted(set(has) - set(among))
    if not alone:
        return []
    found = [f"{counted(len(alone), kind + ' file')} without {other}: {_names(has[key][0].name for key in alone)}."]
    parents = {path.parent for paths in among.values() for path in paths}
    beside = [path for parent in parents for path in parent.iterdir()]
    others = [path.name for path in beside if stem_of(path) in alone and kind_of(path) not in PICTURES]
    if others:
        remedy = how_to_read(kind_of(Path(name)) for name in others)
        found.append(f"Not a supported kind of picture: {_names(sorted(others))}. {remedy}")
    return found


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:MAX_LISTED]) + (", ..." if len(listed) > MAX_LISTED else "")
