"""The directories of a TIFF file, walked without reading values: libraries follow chains that never end."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, NamedTuple

from prn_pipeline.data.read_limits import Declared, ReadLimits
from prn_pipeline.data.readers.headers.embedded import JPEG, JPEG_2000, check_embedded

#: Tag NewSubfileType, and its bits of pages that are no pictures: smaller copies of others, transparency masks.
_SUBFILE, NOT_A_PICTURE = 254, 1 | 4
#: Further tags that describe a page.
_WIDTH, _HEIGHT, _BITS, _DESCRIPTION, _SAMPLES, _DEPTH = 256, 257, 258, 270, 277, 32997
_ROWS, _OFFSETS, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _COMPRESSION = 278, 273, 322, 323, 324, 259
_READ = frozenset({_WIDTH, _HEIGHT, _BITS, _SAMPLES, _DEPTH, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _COMPRESSION, _SUBFILE})
#: Bytes and format of a value, by type of the tag.
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
#: Types of real numbers, which no size has.
_REAL = frozenset({5, 10, 11, 12})
#: Most tags of a page; tifffile refuses more.
_MAX_TAGS = 4096
#: Pages may share values, such as a colour profile; a file in which they add up to more than this many times its size
#: was made to keep readers busy.
_SHARED = 64
#: Strips or tiles without a place in the file that sloppy writers may have.
_SPARE_SEGMENTS = 4096
#: Bytes of a description that are searched for the number of planes.
_LONGEST_DESCRIPTION = 2**20
#: Tag of further directories below a page.
_SUBDIRECTORIES = 330
#: Planes that ImageJ and OME declare in words.
_IMAGEJ = re.compile(rb"^(?:images|channels|slices|frames)=(\d+)", re.MULTILINE)
_OME = re.compile(rb'\bSize[ZCT]="(\d+)"')
_SHAPE = re.compile(rb'"shape":\s*(\[[\d,\s]*\])|^shape=\(([\d,\s]*)\)')


#: The tags of a directory by code: type, count, and the value or its place.
_Tags = dict[int, list[tuple[int, int, bytes]]]


class _Page(NamedTuple):
    declared: Declared
    descriptions: list[bytes]
    is_copy: bool


def tiff_declared(path: Path, limits: ReadLimits) -> Declared:
    """The largest page of a TIFF file, and the number of pages; planes that only its description declares count too.

    The walk ends at `limits.pages`; its time is proportional to the size of the file.

    Raises:
        ValueError: the directories are damaged, or lead in a circle.
        UserError: there are more than `limits.pages` pages.
    """
    with path.open("rb") as file:
        pages = _pages(file, path, limits)
    largest = max((page.declared for page in pages), key=lambda declared: declared.nbytes)
    pictures = [page for page in pages if not page.is_copy] or pages
    slices = sum(page.declared.pages for page in pictures)
    planes = max((_described(text, pages[0].declared) for text in pages[0].descriptions), default=1)
    found = largest._replace(pages=max(slices, planes))
    limits.check(found, path, every_page=False)
    return found


def _pages(file: BinaryIO, path: Path, limits: ReadLimits) -> list[_Page]:
    size, head = os.fstat(file.fileno()).st_size, file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", head[2:4])[0] == 43
    offset = struct.unpack(f"{order}Q", head[8:16])[0] if big else struct.unpack(f"{order}I", head[4:8])[0]
    counting, entry, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    counting, entry, pointer = order + counting, order + entry, order + pointer
    pages: list[_Page] = []
    chains = [(offset, 0)]  # the pages, then the smaller copies and the like below each of them
    main: set[int] = set()
    seen: set[int] = set()
    directories = values = 0
    while chains:
        offset, depth = chains.pop(0)
        own = main if depth == 0 else set()
        while offset:
            if offset in own or offset in main or (depth > 1 and offset in seen):
                raise ValueError(f"its directories lead in a circle, back to byte {offset}")
            if offset in seen:
                break  # the directories below a page are listed, and may also be chained
            own.add(offset)
            seen.add(offset)
            limits.check(Declared(0, 0, pages=len(seen)), path)
            try:
                raw, offset = _directory(file, offset, counting, entry, pointer)
            except ValueError:
                if not pages:
                    raise
                break  # libraries read the pages before a damaged directory
            tags: _Tags = defaultdict(list)  # a damaged directory has some twice
            for code, *tag in struct.iter_unpack(entry, raw):
                tags[code].append(tuple(tag))
            directories += len(raw)
            values += sum(_SIZES.get(kind, 1) * number for found in tags.values() for kind, number, _ in found)
            if directories > size or values > _SHARED * size + _LONGEST_DESCRIPTION:
                raise ValueError("its directories overlap")
            if depth == 0:
                pages.append(_page(file, order, tags))
            chains += [(place, depth + 1) for place in _numbers(file, order, tags.get(_SUBDIRECTORIES, [])) if place]
    if not pages:
        raise ValueError("no page")
    return pages


def _directory(file: BinaryIO, offset: int, counting: str, entry: str, pointer: str) -> tuple[bytes, int]:
    """The entries of a directory, and the place of the next one, 0 for none."""
    file.seek(offset)
    count = struct.unpack(counting, _exactly(file, struct.calcsize(counting)))[0]
    if count > _MAX_TAGS:
        raise ValueError(f"a directory of {count} tags, expected at most {_MAX_TAGS}")
    raw = _exactly(file, count * struct.calcsize(entry))
    following = file.read(struct.calcsize(pointer))
    return raw, struct.unpack(pointer, following)[0] if len(following) == struct.calcsize(pointer) else 0


def _numbers(file: BinaryIO, order: str, tags: list[tuple[int, int, bytes]]) -> list[int]:
    """All values of tags that are whole numbers."""
    found: list[int] = []
    for kind, count, field in tags:
        if kind in _TYPES and kind != 2:
            length = _SIZES[kind] * count
            found += struct.unpack(f"{order}{count}{_TYPES[kind]}", _content(file, order, length, field, length))
    return found


def _page(file: BinaryIO, order: str, tags: _Tags) -> _Page:
    said = {code: {_value(file, order, *tag) for tag in tags[code]} for code in _READ & tags.keys()}
    if twice := sorted(code for code, values in said.items() if len(values) > 1):
        raise ValueError(f"tag {twice[0]} twice, with different values")
    number = {code: values.pop() for code, values in said.items()}
    height, width = number.get(_HEIGHT, 0), number.get(_WIDTH, 0)
    samples, depth = max(1, number.get(_SAMPLES, 1)), max(1, number.get(_DEPTH, 1))
    tile = number.get(_TILE_HEIGHT, 0), number.get(_TILE_WIDTH, 0)
    rows = tile if all(tile) else (number.get(_ROWS, 0) or height, width)
    segments = depth * math.prod(-(-side // max(1, part)) for side, part in zip((height, width), rows, strict=True))
    located = [tag for code in (_OFFSETS, _TILE_OFFSETS) for tag in tags.get(code, [])]
    places = max((count for _, count, _ in located), default=0)
    if segments > places + _SPARE_SEGMENTS:
        raise ValueError(f"{segments} strips or tiles, but places of {places}")
    itemsize = 1 << max(0, (max(1, number.get(_BITS, 1)) - 1).bit_length() - 3)
    if (compression := number.get(_COMPRESSION, 1)) in JPEG | JPEG_2000:
        check_embedded(file, compression, _numbers(file, order, located), rows[0] * rows[1])
    # memory is taken for whole tiles
    declared = Declared(max(height, tile[0]), max(width, tile[1]), samples, depth, itemsize)
    return _Page(
        declared,
        [_text(file, order, *tag) for tag in tags.get(_DESCRIPTION, [])],
        bool(number.get(_SUBFILE, 0) & NOT_A_PICTURE),
    )


def _value(file: BinaryIO, order: str, kind: int, count: int, field: bytes) -> int:
    """The largest number of a tag, of whose values at most 64 are read; 0 if it holds no whole numbers."""
    if kind not in _TYPES or kind == 2 or not count:
        if kind in _REAL:
            raise ValueError("a size that is no whole number")
        return 0
    code, number = _TYPES[kind], min(count, 64)
    data = _content(file, order, _SIZES[kind] * count, field, _SIZES[kind] * number)
    return max(struct.unpack(f"{order}{number}{code}", data[: _SIZES[kind] * number]), default=0)


def _text(file: BinaryIO, order: str, kind: int, count: int, field: bytes) -> bytes:
    length = _SIZES.get(kind, 1) * count
    return _content(file, order, length, field, min(length, _LONGEST_DESCRIPTION), whole=False)


def _content(file: BinaryIO, order: str, length: int, field: bytes, wanted: int, whole: bool = True) -> bytes:
    if length <= len(field):
        return field[:wanted]
    file.seek(struct.unpack(order + ("Q" if len(field) == 8 else "I"), field)[0])
    return _exactly(file, wanted) if whole else file.read(wanted)


def _described(text: bytes, first: Declared) -> int:
    """Planes that the description of the first page declares; 1 if it declares none."""
    if text.startswith(b"ImageJ="):
        return max([1, *(int(found) for found in _IMAGEJ.findall(text))])
    if shape := _SHAPE.search(text):
        sides = json.loads(shape[1] or b"[" + shape[2].strip(b" ,") + b"]")
        return max(1, math.prod(sides) // max(1, first.height * first.width * first.bands))
    if b"<OME" in text[:_LONGEST_DESCRIPTION]:
        return max(1, math.prod(int(found) for found in _OME.findall(text)[:3]))
    return 1


def _exactly(file: BinaryIO, length: int) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise ValueError("the file ends within its directory")
    return found
