"""An XML file of CVAT, read element by element: no tree is built, and no entity is expanded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.parsers import expat

from prn_pipeline.data.readers.annotations.text_files import read_text
from prn_pipeline.errors import UserError

Attributes = Mapping[str, str]
#: Elements that say something about a whole image, or that have no area and stand for none.
_NO_SHAPES = frozenset({"tag", "attribute"})


class Document:
    """What a file holds.

    Attributes:
        labels: names, in the order of the file.
        images: attributes of each image, and the element's name and the attributes of each of its shapes.

    Args:
        path: of the file.

    Raises:
        UserError: it is not XML of CVAT for images, or declares a document type, as attacks with entities do.
    """

    def __init__(self, path: Path) -> None:
        self.labels: list[str] = []
        self.images: list[tuple[Attributes, list[tuple[str, Attributes]]]] = []
        self._path, self._open, self._text = path, [""], ""
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = self._characters, self._refuse_doctype
        text = read_text(path)
        try:
            parser.Parse(text, True)
        except expat.ExpatError as error:
            raise UserError(f"{path}: not XML ({error}). Export the annotations again.") from None
        if self._root != "annotations":
            raise UserError(f"{path}: its root is <{self._root}>, expected <annotations> of CVAT for images 1.1.")

    def _start(self, name: str, attributes: Attributes) -> None:
        if self._open == [""]:
            self._root = name
        if name == "track":
            raise UserError(f"{self._path}: tracks of a video. Export the task as 'CVAT for images 1.1'.")
        if name == "image":
            self.images.append((attributes, []))
        elif self._open[-1] == "image" and name not in _NO_SHAPES:
            if "label" not in attributes:
                raise UserError(
                    f"{self._path}: a <{name}> of {self.images[-1][0].get('name')} has no label. Export the annotations"
                    " again, or remove it."
                )
            self.images[-1][1].append((name, attributes))
        self._open.append(name)
        self._text = ""

    def _end(self, name: str) -> None:
        self._open.pop()
        if name == "name" and self._open[-1] == "label":
            self.labels.append(self._text.strip())

    def _characters(self, text: str) -> None:
        if self._open[-1] == "name":
            self._text += text

    def _refuse_doctype(self, *_: object) -> None:
        raise UserError(f"{self._path}: a document type declaration, which CVAT never writes. Remove it.")
