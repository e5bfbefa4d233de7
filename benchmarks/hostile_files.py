"""Small files that declare, or unfold to, far more than they hold."""

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

#: A tag of a TIFF directory: code, type (2 text, 3 short, 4 long), count, value.
Tag = tuple[int, int, int, int]


def npy(shape: tuple[int, ...], dtype: str = "<f4", values: bytes = b"") -> bytes:
    """An .npy file with a header for any shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def npz(path: Path, **members: bytes) -> Path:
    """Write an archive of .npy files with these contents, compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def page(height: int, width: int, samples: int = 1, **tags: int) -> list[Tag]:
    """The directory of an uncompressed page of 8 bits; `tags` are code -> value, as t257=..., and replace others."""
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 2 if samples > 2 else 1, 273: 8, 277: samples, 278: height}
    values |= {279: min(height * width * samples, 2**32 - 1), 284: 1} | {
        int(code[1:]): value for code, value in tags.items()
    }
    return [(code, 4, 1, value) for code, value in sorted(values.items())]


def tiff(pages: Sequence[list[Tag]], back_to: int = 0, description: str = "", data: bytes = b"") -> bytes:
    """A TIFF file of these directories, the last of which points to byte `back_to`; `data` begins at byte 8."""
    data = data or b"\0" * 8
    text = description.encode() + b"\0" if description else b""
    content = bytearray(b"II*\0" + struct.pack("<I", 8 + len(data) + len(text)) + data + text)
    for number, tags in enumerate(pages):
        found = sorted([*tags, (270, 2, len(text), 8 + len(data))]) if text and not number else tags
        content += struct.pack("<H", len(found))
        for tag in found:
            content += struct.pack("<HHII", *tag)
        content += struct.pack("<I", back_to if number == len(pages) - 1 else len(content) + 4)
    return bytes(content)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(height: int, width: int, frames: int = 0) -> bytes:
    """A greyscale PNG without pixels; with `frames`, an animation that declares that many."""
    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    animation = chunk(b"acTL", struct.pack(">II", frames, 0)) if frames else b""
    data = chunk(b"IDAT", zlib.compress(b"\0" * 72))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + animation + data + chunk(b"IEND", b"")


def gif(height: int, width: int, frames: int) -> bytes:
    """A GIF of so many frames of one pixel each, on a canvas of this size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + (b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00") * frames + b";"


def jpeg_of(height: int, width: int) -> bytes:
    """A JPEG of 16 x 16 pixels whose header declares another size."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(file, "JPEG")
    content = bytearray(file.getvalue())
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def zarr_json(folder: Path, shape: Sequence[int], chunks: Sequence[int], dtype: str = "float32") -> Path:
    """A Zarr array of version 3 without chunks."""
    import json

    described: dict[str, Any] = {"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": dtype}
    described["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": chunks}}
    described["chunk_key_encoding"] = {"name": "default", "configuration": {"separator": "/"}}
    described |= {"fill_value": 0, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
    folder.mkdir()
    (folder / "zarr.json").write_text(json.dumps(described | {"attributes": {}}))
    return folder


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"

#: Name -> content of files of which none may take memory or time.
PICTURES = {
    "huge.tif": tiff([page(200_000, 200_000)]),
    "said_twice.tif": tiff([[*page(200_000, 200_000), (256, 4, 1, 4), (257, 4, 1, 4)]]),
    "rows_twice.tif": tiff([[*page(60_000, 1), (278, 4, 1, 1)]]),
    "jpeg_said_twice.tif": tiff([[*page(16, 16, t259=7, t279=735), (259, 4, 1, 8)]], data=jpeg_of(65_500, 65_500)),
    "real_size.tif": tiff([[*(tag for tag in page(4, 4) if tag[0] != 256), (256, 11, 1, 0x48435000)]]),
    "strips.tif": tiff([page(4_000_000_000, 1, t278=1)]),
    "circle.tif": tiff([page(4, 4)], back_to=16),
    "circle_of_three.tif": tiff([page(4, 4)] * 3, back_to=16),
    "circle_below.tif": tiff([page(4, 4, t330=16)]),
    "circle_below_itself.tif": tiff([page(4, 4, t330=16 + 6 + 12 * 11), page(4, 4, t330=16 + 6 + 12 * 11)]),
    "imagej.tif": tiff([page(16, 16)], description="ImageJ=1.11a\nimages=1000000000\n"),
    "shaped.tif": tiff([page(16, 16)], description='{"shape": [1000000000, 16, 16]}'),
    "pages.tif": tiff([page(4, 4)] * 10_001),
    "jpeg_within.tif": tiff([page(16, 16, t259=7, t279=735)], data=jpeg_of(65_500, 65_500)),
    "huge.png": png(200_000, 200_000),
    "frames.png": png(8, 8, frames=2**31 - 1),
    "frames.gif": gif(100, 100, 200_000),
    "claims.npy": npy((200_000, 200_000), values=b"\0" * 100),
    "shorter.npy": npy((20_000, 20_000), values=b"\0" * 100),
    "vector.eps": EPS,
    "vector.png": EPS,
    "vector.tif": EPS,
}
