"""Maps written by another program, found by sample id."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray

from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.data.readers.contents import require_contents
from prn_pipeline.data.readers.finding import find_files
from prn_pipeline.data.readers.map_decoding import EXTENSIONS, Values, decode_map
from prn_pipeline.data.readers.pairing import compile_expression, plain_id
from prn_pipeline.errors import UserError

#: Relative difference of the aspect ratios of a map and its image that rounding of a smaller map may cause.
RATIO_TOLERANCE = 0.03
#: Ids or files in one message.
MAX_LISTED = 5
#: Endings of files that hold the maps of all samples.
CONTAINERS = frozenset({".npz", ".zarr"})


class MapFile(NamedTuple):
    """Location of a map: a file (or .zarr folder), and the name of the array in it."""

    path: Path
    member: str | None


class MapFolder:
    """Maps by sample id.

    Args:
        dataset_folder: of the data set.
        pattern: sub-folder of it, glob pattern below it, or a container (.npz file or .zarr group with one array per
            sample), whose suffix may be left out.
        expression: for file names (or names of arrays); group(1) is the sample id. None: the name without extension.
        values: kind of the stored values.

    Raises:
        UserError: there are no maps, or two files for one sample.
    """

    def __init__(self, dataset_folder: Path, pattern: str, expression: str | None, values: Values) -> None:
        pattern = _with_suffix(dataset_folder, pattern)
        self.place = dataset_folder / pattern
        self._values = values
        found = _members(self.place) or [MapFile(path, None) for path in _files(dataset_folder, pattern)]
        if not found:
            raise UserError(
                f"{self.place}: no maps. Write one per sample, named after its image"
                f" ({', '.join(sorted(EXTENSIONS))}), or correct `folder` of the base model."
            )
        self._files = _by_id(found, expression, self.place)

    def __contains__(self, sample_id: str) -> bool:
        return sample_id in self._files

    def __len__(self) -> int:
        return len(self._files)

    @property
    def examples(self) -> str:
        """Some of the ids that have maps."""
        return ", ".join(sorted(self._files)[:MAX_LISTED])

    def logits(self, sample_id: str, native: tuple[int, int], classes: int = 1) -> NDArray[np.float32]:
        """The map of a sample, float32 (h, w) or (classes, h, w), in its stored size; see `decode_map`.

        Args:
            sample_id: of a sample that has a map.
            native: height and width of the image.
            classes: number of maps per image.

        Raises:
            UserError: see `decode_map`; or the map has another aspect ratio than the image.
        """
        file = self._files[sample_id]
        logits = decode_map(file.path, file.member, self._values, classes)
        height, width = logits.shape[-2:]
        stretched = (height / width) / (native[0] / native[1])
        if height != width and abs(stretched - 1) > RATIO_TOLERANCE:
            raise UserError(
                f"{file.path}: the map is {height} x {width} (height x width), its image {native[0]} x {native[1]}."
                " Write it with the aspect ratio of the image, or as a square if the model saw stretched images; if"
                " height and width are exchanged, transpose it."
            )
        return logits

    @property
    def holds_logits(self) -> bool:
        """Whether files hold logits: of a softmax if there are several classes."""
        return self._values == "logits"

    def digest(self, ids: Iterable[str]) -> str:
        """sha256 (hex) over ids and contents: equal if and only if the maps are."""
        wanted = sorted(ids)
        require_contents((self._files[sample_id].path for sample_id in wanted), self.place)
        digest = hashlib.sha256(self._values.encode())
        for sample_id in wanted:
            file = self._files[sample_id]
            digest.update(f"\0{sample_id}\0".encode())
            if file.member is None and file.path.is_file():
                with file.path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
            else:
                digest.update(read_array(file.path, file.member).tobytes())
        return digest.hexdigest()


def _with_suffix(folder: Path, pattern: str) -> str:
    """The pattern, or a container of that name if there is no such folder."""
    endings = ("", *sorted(CONTAINERS))
    return next((pattern + ending for ending in endings if (folder / (pattern + ending)).exists()), pattern)


def _members(container: Path) -> list[MapFile]:
    if container.suffix == ".npz" and container.is_file():
        with np.load(container, allow_pickle=False) as arrays:
            return [MapFile(container, name) for name in arrays]
    if container.suffix == ".zarr" and container.is_dir():
        group = zarr.open(container, mode="r")
        return [MapFile(container, name) for name in group.array_keys()] if isinstance(group, zarr.Group) else []
    return []


def _files(folder: Path, pattern: str) -> list[Path]:
    found = find_files(folder, pattern, "folder").files
    return [path for path in found if path.suffix.lower() in EXTENSIONS]


def _by_id(found: list[MapFile], expression: str | None, place: Path) -> dict[str, MapFile]:
    compiled = None if expression is None else compile_expression(expression, "name")
    by_id: dict[str, list[MapFile]] = defaultdict(list)
    for file in found:
        key = _key(file, compiled)
        if key:
            by_id[plain_id(key)].append(file)
    if not by_id:
        raise UserError(
            f"{place}: `name: {expression}` matches none of {len(found)} maps, such as {found[0].path.name}."
        )
    twice = [files for files in by_id.values() if len(files) > 1]
    if twice:
        examples = "; ".join(" and ".join(file.path.name for file in files) for files in twice[:MAX_LISTED])
        raise UserError(f"{place}: {len(twice)} samples have more than one map: {examples}. Keep one of each.")
    return {sample_id: files[0] for sample_id, files in by_id.items()}


def _key(file: MapFile, expression: re.Pattern[str] | None) -> str | None:
    name = file.member if file.member is not None else file.path.name
    if expression is not None:
        match = expression.search(name)
        return match.group(1) if match else None
    return name if file.member is not None else file.path.stem
