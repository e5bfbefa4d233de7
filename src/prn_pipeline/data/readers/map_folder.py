"""Maps written by another program, found by sample id."""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray

from prn_pipeline.data.readers.array_files import holds_probabilities, read_array
from prn_pipeline.data.readers.contents import require_contents
from prn_pipeline.data.readers.finding import find_files
from prn_pipeline.data.readers.map_decoding import EXTENSIONS, decode_array, named
from prn_pipeline.data.readers.map_geometry import placed
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.readers.sample_ids import compile_expression, plain_id
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)

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
        reading: what the stored values, channels and pixels mean.
        nested: maps in sub-folders count too. Ids are then paths below the folder, as of the images of `prn refine`.

    Raises:
        UserError: there are no maps, or two files for one sample.
    """

    def __init__(
        self,
        dataset_folder: Path,
        pattern: str,
        expression: str | None,
        reading: MapReading,
        nested: bool = False,
    ) -> None:
        pattern = _with_suffix(dataset_folder, pattern)
        self.place = dataset_folder / pattern
        self.reading = reading
        below = f"{pattern}/**/*" if nested and self.place.is_dir() else pattern
        found = _members(self.place) or [MapFile(path, None) for path in _files(dataset_folder, below)]
        if not found:
            raise UserError(
                f"{self.place}: no maps. Write one per sample, named after its image"
                f" ({', '.join(sorted(EXTENSIONS))}), or correct `folder` of the base model."
            )
        self._files = _by_id(found, expression, self.place, nested)

    def __contains__(self, sample_id: str) -> bool:
        return sample_id in self._files

    def __len__(self) -> int:
        return len(self._files)

    @property
    def examples(self) -> str:
        """Some of the ids that have maps."""
        return ", ".join(sorted(self._files)[:MAX_LISTED])

    def logits(self, sample_id: str, native: tuple[int, int], classes: int = 1) -> NDArray[np.float32]:
        """The map of a sample, float32 (h, w) or (classes, h, w), upright and without padding; see `decode_map`.

        Args:
            sample_id: of a sample that has a map.
            native: height and width of the image.
            classes: number of maps per image.

        Raises:
            UserError: see `decode_map`; or the map has another aspect ratio than the image.
        """
        stored, name = self.stored(sample_id)
        return placed(decode_array(stored, self.reading, classes, name), self.reading, native, name)

    def file_of(self, sample_id: str) -> Path:
        """The file of a sample's map, or the folder that holds it in a .zarr group."""
        file = self._files[sample_id]
        return file.path / file.member if file.member and file.path.is_dir() else file.path

    def stored(self, sample_id: str) -> tuple[NDArray[np.generic], str]:
        """The array of a sample as it is stored, and the name of its file for messages.

        Raises:
            UserError: see `array_files.read_array`.
        """
        file = self._files[sample_id]
        return read_array(file.path, file.member, self.reading.read_limits), named(file.path, file.member)

    def digest(self, ids: Iterable[str]) -> str:
        """sha256 (hex) over ids, contents and how they are read: equal if and only if the maps are."""
        wanted = sorted(ids)
        require_contents((self._files[sample_id].path for sample_id in wanted), self.place)
        digest = hashlib.sha256(self.reading.identity().encode())
        for sample_id in wanted:
            file = self._files[sample_id]
            digest.update(f"\0{sample_id}\0".encode())
            if file.member is None and file.path.is_file():
                with file.path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
            else:
                digest.update(read_array(file.path, file.member, self.reading.read_limits).tobytes())
        return digest.hexdigest()


def _with_suffix(folder: Path, pattern: str) -> str:
    """The pattern, or a container of that name if there is no such folder."""
    endings = ("", *sorted(CONTAINERS))
    return next((pattern + ending for ending in endings if (folder / (pattern + ending)).exists()), pattern)


def _members(container: Path) -> list[MapFile]:
    try:
        if container.suffix == ".npz" and container.is_file():
            # numpy itself would leave a damaged file open
            with container.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return [MapFile(container, name) for name in arrays]
        if container.suffix == ".zarr" and container.is_dir():
            group = zarr.open(container, mode="r")
            return [MapFile(container, name) for name in group.array_keys()] if isinstance(group, zarr.Group) else []
    except Exception as error:  # two libraries, without a common error type
        raise UserError(f"{container}: cannot be read ({error}). It may be damaged: write it again.") from error
    return []


def _files(folder: Path, pattern: str) -> list[Path]:
    found = find_files(folder, pattern, "folder").files
    return [path for path in found if path.suffix.lower() in EXTENSIONS]


def _by_id(found: list[MapFile], expression: str | None, place: Path, nested: bool) -> dict[str, MapFile]:
    compiled = None if expression is None else compile_expression(expression, "name")
    by_id: dict[str, list[MapFile]] = defaultdict(list)
    for file in found:
        if nested:
            by_id[_path_below(place, file)].append(file)
        elif key := _key(file, compiled):
            by_id[plain_id(key)].append(file)
    if not by_id:
        raise UserError(
            f"{place}: `name: {expression}` matches none of {len(found)} maps, such as {found[0].path.name}."
        )
    _prefer_probabilities(by_id, place)
    twice = [files for files in by_id.values() if len(files) > 1]
    if twice:
        examples = "; ".join(" and ".join(file.path.name for file in files) for files in twice[:MAX_LISTED])
        raise UserError(
            f"{place}: {len(twice)} samples have more than one map: {examples}. Keep one of each, or"
            " select them with `folder`, for example `folder: 'maps/*.npz'`."
        )
    return {sample_id: files[0] for sample_id, files in by_id.items()}


def _prefer_probabilities(by_id: dict[str, list[MapFile]], place: Path) -> None:
    """Leave only the .npz file where the segmentation that was made of it lies beside it, as nnU-Net writes them."""
    left_out: list[str] = []
    for sample_id, files in by_id.items():
        arrays = [file for file in files if file.path.suffix.lower() == ".npz" and file.member is None]
        beside = [file for file in files if file not in arrays]
        same_name = all(file.path.with_suffix("") == arrays[0].path.with_suffix("") for file in beside) if arrays else 0
        if len(arrays) == 1 and beside and same_name and holds_probabilities(arrays[0].path):
            by_id[sample_id] = arrays
            left_out += [file.path.name for file in beside]
    if left_out:
        logger.info(
            "%s: read the probabilities in the .npz files; left out %d segmentations beside them, such as %s",
            place,
            len(left_out),
            left_out[0],
        )


def _path_below(place: Path, file: MapFile) -> str:
    """Id of a nested map: a path without extension, in composed Unicode."""
    below = file.path.relative_to(place if place.is_dir() else place.parent)
    path = file.member if file.member is not None else below.with_suffix("").as_posix()
    return unicodedata.normalize("NFC", path)


def _key(file: MapFile, expression: re.Pattern[str] | None) -> str | None:
    name = file.member if file.member is not None else file.path.name
    if expression is not None:
        match = expression.search(name)
        return match.group(1) if match else None
    return name if file.member is not None else file.path.stem
