"""Tables of the colours of classes beside colour masks -> the keys `task`, `classes` and `mask`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.data.discovery.annotation_files import beginning
from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.errors import UserError

#: Words of the names of such files: labelmap.txt of CVAT, class_dict.csv and label_colors.txt of CamVid and others.
_NAMES = ("labelmap", "classdict", "labelcolors", "labelcolours", "colormap", "colourmap", "classcolors")
_SUFFIXES = (".txt", ".csv")
_COLOUR = r"(\d{1,3})[,;\s]+(\d{1,3})[,;\s]+(\d{1,3})"
_NAME_FIRST = re.compile(rf"([^#:,;]+?)[:,;\t]\s*{_COLOUR}(?:\D.*)?")
_COLOUR_FIRST = re.compile(rf"{_COLOUR}[,;:\s]+([^\d\s].*)")
#: Names in one sentence.
MAX_LISTED = 12
#: What pixels without a label are called, and the background.
_VOID = ("void", "ignore", "ignored", "unlabeled", "unlabelled", "unknown", "dontcare")
_BACKGROUND = ("background", "bg", "_background_")


class LabelMap(NamedTuple):
    """Names and colours of classes.

    Attributes:
        file: path of the table, relative to the data set's folder.
        colours: name -> colour, the background first and pixels without a label last.
    """

    file: str
    colours: dict[str, tuple[int, int, int]]

    def block(self) -> dict[str, Any]:
        """The keys that read masks in these colours."""
        ignored = [place for place, name in enumerate(self.colours) if name.lower() in _VOID]
        classes = [name for name in self.colours if name.lower() not in _VOID]
        mask = {"colours": [list(colour) for colour in self.colours.values()]}
        block: dict[str, Any] = {"mask": mask | ({"ignore_values": ignored} if ignored else {})}
        return {"task": "multiclass", "classes": classes, **block} if len(classes) > 2 else block

    def note(self) -> str:
        """What was understood, in a sentence."""
        names = list(self.colours)
        listed = ", ".join(names[:MAX_LISTED]) + (", ..." if len(names) > MAX_LISTED else "")
        return f"{self.file} names the colours of masks (`mask.colours`): {listed}; {names[0]} is taken for background."

    def reads(self, files: Sequence[Path]) -> bool:
        """Whether these masks have the colours of the table alone, and more than one of them."""
        settings = MaskSettings(**self.block()["mask"])
        try:
            return len({value for path in files for value in read_mask(path, settings).facts.values}) > 1
        except UserError:
            return False

    def refusal(self, files: Sequence[Path]) -> str:
        """Why the first mask cannot be read with a table that other masks fit; "" if it fits all or none."""
        settings = MaskSettings(**self.block()["mask"])
        refused = []
        for path in files:
            try:
                read_mask(path, settings)
            except UserError as error:
                refused.append(error)
        if not 0 < len(refused) < len(files):
            return ""
        return (
            f"{refused[0]} Here `mask.colours` is what {self.file} lists; the name `void` there has its pixels ignored."
        )


def find_label_map(inventory: Inventory) -> LabelMap | None:
    """The first table of at least two colours; None if there is none."""
    for path in inventory.others:
        plain = re.sub(r"[^a-z]", "", path.stem.lower())
        if path.suffix.lower() in _SUFFIXES and any(name in plain for name in _NAMES):
            colours = _colours(beginning(inventory.folder / path))
            if len(colours) > 1:
                return LabelMap(str(path), colours)
    return None


def _colours(text: str) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for line in map(str.strip, text.splitlines()):
        if match := _NAME_FIRST.fullmatch(line):
            name, *colour = match.groups()
        elif match := _COLOUR_FIRST.fullmatch(line):
            *colour, name = match.groups()
        else:
            continue
        red, green, blue = map(int, colour)
        if max(red, green, blue) <= 255 and (red, green, blue) not in found.values():
            found.setdefault(name.strip(), (red, green, blue))
    return dict(sorted(found.items(), key=_place))


def _place(item: tuple[str, tuple[int, int, int]]) -> int:
    name = item[0].lower()
    return 2 if name in _VOID else 0 if name in _BACKGROUND else 1
