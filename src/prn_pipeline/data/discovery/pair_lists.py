"""Lists and tables in a folder that name an image and its mask in each line -> the keys that find both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from prn_pipeline.data.discovery.arrangement import Arrangement
from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.discovery.patterns import pattern_of
from prn_pipeline.data.discovery.sorting import Sorted
from prn_pipeline.data.discovery.words import named_as_mask, role_of
from prn_pipeline.data.readers.listed_names import names_of_files, pairs_in_lines, resolved, rows_of
from prn_pipeline.data.readers.sample_files import Files
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

#: Suffixes of lists without a header, and of tables.
LISTS, TABLES = frozenset({".txt", ".lst", ""}), frozenset({".csv", ".tsv"})
#: Files of one suffix in one folder; more of them are labels, one file per image.
MOST_ALIKE = 50
#: Lines of a file that are looked at before the others.
LINES = 20
_Pairs = dict[Path, Path]


class PairLists(NamedTuple):
    """What the lists of a folder say.

    Attributes:
        files: the lists, relative to the folder.
        columns: of a table: those of the image and of the mask; empty for lists.
        mask_of: image -> its mask, absolute.
    """

    files: tuple[PurePosixPath, ...]
    columns: tuple[str, ...]
    mask_of: Mapping[Path, Path]

    def contradict(self, files: Files) -> bool:
        """Whether an image of these samples has another mask than here."""
        return any(
            self.mask_of.get(paths["image"][0], paths["mask"][0]) not in paths["mask"] for paths in files.values()
        )


def find_pair_lists(inventory: Inventory) -> PairLists | None:
    """All lists whose lines all name an image and its mask; without any, the first such table.

    None is returned where there is neither.
    """
    folder = inventory.folder
    known = names_of_files([folder / path for path in (*inventory.pictures, *inventory.arrays)], folder)
    mask_of: _Pairs = {}
    files = []
    alike = Counter((path.parent, path.suffix) for path in inventory.others)
    for path in inventory.others:
        if path.suffix.lower() not in LISTS | TABLES or alike[path.parent, path.suffix] > MOST_ALIKE:
            continue
        if not _may_list(text := inventory.text(path), known):
            continue
        pairs = pairs_in_lines(text, known, known)
        found = _known_pairs([pair.image for pair in pairs], [pair.mask for pair in pairs], known)
        if found and all(mask_of.get(image, mask) == mask for image, mask in found.items()):
            mask_of |= found
            files.append(path)
        elif path.suffix.lower() in TABLES and not files:
            for columns, in_table in _in_table(text, known):
                return PairLists((path,), columns, in_table)
    return PairLists(tuple(files), (), mask_of) if mask_of else None


def arranged_by_lists(inventory: Inventory, lists: PairLists) -> tuple[Sorted, Arrangement]:
    """Images and masks, and the keys images, masks and pairing.

    Raises:
        UserError: no pattern finds the files.
    """
    images, masks = (
        sorted(PurePosixPath(path.relative_to(inventory.folder).as_posix()) for path in paths)
        for paths in (lists.mask_of, lists.mask_of.values())
    )
    pairing: dict[str, Any] = {"by": "list", "files": [str(path) for path in lists.files]}
    pairing |= dict(zip(("image", "mask"), lists.columns, strict=False))
    places = {"images": _place(inventory, images), "masks": _place(inventory, masks)}
    fields = DatasetSettings.model_fields
    own: dict[str, Any] = {key: place for key, place in places.items() if place != fields[key].default}
    named = " and ".join(pairing["files"])
    note = f"Images and masks belong together as {named} {'say' if len(lists.files) > 1 else 'says'} (`pairing`)."
    return Sorted(images, masks, [], ()), Arrangement(own | {"pairing": pairing}, several=False, notes=(note,))


def _may_list(text: str, known: Mapping[str, Path]) -> bool:
    """Whether the first lines name files that are there; large tables of other things are read no further."""
    head = "\n".join(text.splitlines()[:LINES])
    return bool(pairs_in_lines(head, known, known)) or any(True for _ in _in_table(head, known))


def _known_pairs(images: Sequence[str], masks: Sequence[str], known: Mapping[str, Path]) -> _Pairs:
    """Image -> mask; empty unless each line names two files, and each mask and image stands in one pair."""
    found = [resolved(names, known) for names in (images, masks)]
    pairs = {(image, mask) for image, mask in zip(*found, strict=True) if image and mask}
    by_image = dict(pairs)
    complete = bool(images) and all(path is not None for paths in found for path in paths)
    apart = len(by_image) == len(set(by_image.values())) == len(pairs) and not set(by_image) & set(by_image.values())
    return by_image if complete and apart else {}


def _in_table(text: str, known: Mapping[str, Path]) -> Iterator[tuple[tuple[str, str], _Pairs]]:
    rows = rows_of(text)
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    files = [name for name in columns if all(resolved(columns[name], known))]
    for image, mask in permutations(files, 2):
        pairs = _known_pairs(columns[image], columns[mask], known)
        if pairs and not _are_masks(image, pairs):
            yield (image, mask), pairs


def _are_masks(column: str, pairs: _Pairs) -> bool:
    """Whether the names say that what stands for the images are masks."""
    return named_as_mask(column) or all(role_of(PurePosixPath(image.parent.name)) == "masks" for image in pairs)


def _place(inventory: Inventory, wanted: Sequence[PurePosixPath]) -> str:
    """The pattern of these files; where there is none, of all such files beside them, of which the lists choose."""
    try:
        return pattern_of(inventory.folder, wanted, "files")
    except UserError:
        kinds = {(path.parent, path.suffix) for path in wanted}
        alike = [path for path in inventory.pictures if (path.parent, path.suffix) in kinds]
        return pattern_of(inventory.folder, alike or wanted, "files")
