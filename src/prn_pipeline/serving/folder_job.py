"""A job of a predictor over a folder of images: which images and maps, and what the predictor makes of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_import import read_maps
from prn_pipeline.segmentation.map_stack import FurtherFolders, read_further
from prn_pipeline.serving.exports.writing import Format
from prn_pipeline.serving.given_maps import check_values, for_commands
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.journal import Entry, stamp
from prn_pipeline.serving.predicted import Examined
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.review import EXPECTED
from prn_pipeline.serving.sources import decoded


@dataclass(frozen=True)
class FolderJob:
    """Which images to look at, and which results to write.

    Attributes:
        images: a folder, or one image.
        out: folder for the results.
        maps: maps of another program, which replace those of the base model.
        at_own_scale: see `Predictor.predict`.
        overlays: whether to write overlays.
        probabilities: whether to write probabilities.
        further: further maps of the images, for refiners that read them.
        formats: formats of masks beside PNG; they are made from the masks, so that they may differ from run to run.
    """

    images: Path
    out: Path
    maps: MapFolder | None = None
    at_own_scale: bool = False
    overlays: bool = True
    probabilities: bool = False
    further: FurtherFolders = field(default_factory=dict)
    formats: tuple[Format, ...] = ()

    @property
    def map_folders(self) -> tuple[MapFolder, ...]:
        """All folders of maps."""
        return () if self.maps is None else (self.maps, *chain(*self.further.values()))

    @property
    def place(self) -> str:
        """The folder of the images, because `out` may also have results of other folders; "" for a single image."""
        return str(self.images.resolve()) if self.images.is_dir() else ""

    def check_maps(self, names: Iterable[str]) -> None:
        """Refuse maps of these images that cannot be what they are read as; see `check_values`."""
        for folder in self.map_folders:
            check_values(folder, names)

    def version(self, name: str, path: Path) -> list[Any]:
        """What tells whether an image, one of its maps, or how that is read has changed since it was refined."""
        found: list[Any] = stamp(path)
        for folder in self.map_folders:
            found += [folder.reading.identity(), *(stamp(folder.file_of(name)) if name in folder else [])]
        return found

    def journal_header(self, predictor: Predictor) -> Entry:
        """The model and the options that results depend on; results of different headers are not mixed."""
        estimate = predictor.settings.expected_iou
        return {
            "model": predictor.digest,
            "maps": str(self.maps.place.resolve()) if self.maps else None,
            "at_own_scale": self.at_own_scale,
            "overlays": self.overlays,
            "probabilities": self.probabilities,
            **({EXPECTED: estimate.model_dump(mode="json")} if estimate else {}),
            **({"further": [str(one.place.resolve()) for one in self.map_folders[1:]]} if self.further else {}),
        }


class Readable(NamedTuple):
    """An image of a job, its version when it was read, and what the predictor makes of it."""

    name: str
    version: list[Any]
    item: Item
    examined: Examined


class Unreadable(NamedTuple):
    """An image of a job that cannot be read, or has no map, and why."""

    name: str
    error: str

    @property
    def entry(self) -> Entry:
        """For the journal; without a version of the file, so that the next run tries it again."""
        return {"name": self.name, "error": self.error}


def examine_files(predictor: Predictor, job: FolderJob, files: Mapping[str, Path]) -> Iterator[Readable | Unreadable]:
    """Look at images of a job, one after another. One that cannot be read does not stop the others.

    Args:
        predictor: predictor that looks at them.
        job: the job.
        files: images by name.

    Yields:
        All readable images in order, then the others.

    Raises:
        UserError: the predictor needs other inputs.
    """
    waiting: deque[tuple[str, list[Any], Item]] = deque()
    unreadable: list[Unreadable] = []

    def items() -> Iterator[Item]:
        for name, path in files.items():
            version = job.version(name, path)  # first: a file that changes later is refined again by the next run
            try:
                item = _read_item(predictor, job, name, path)
            except UserError as error:
                unreadable.append(Unreadable(name, str(error)))
            else:
                waiting.append((name, version, item))
                yield item

    for examined in predictor.examine(items(), job.at_own_scale):
        yield Readable(*waiting.popleft(), examined)
    yield from unreadable


def _read_item(predictor: Predictor, job: FolderJob, name: str, path: Path) -> Item:
    """An image with its maps, if the job has any.

    Raises:
        UserError: the image or a map cannot be read, or the image has no map.
    """
    image = decoded(path, *predictor.settings.reading)
    if job.maps is None:
        return Item(image)
    if lacking := [folder for folder in job.map_folders if name not in folder]:
        raise UserError(
            f"{path}: no map {name!r} in {lacking[0].place}, which has maps such as {lacking[0].examples}: write the"
            " map, or remove the image"
        )
    native, classes = (int(image.shape[0]), int(image.shape[1])), predictor.classes
    try:
        further = read_further(job.further, name, native, classes)
        return Item(image, read_maps(job.maps, name, native, classes).numpy(), further)
    except UserError as error:
        raise UserError(for_commands(str(error))) from None
