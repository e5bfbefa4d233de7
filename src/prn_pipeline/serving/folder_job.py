"""A folder of images in; masks, overlays and a table out. Interrupted, it goes on where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import names_of
from prn_pipeline.segmentation.map_import import read_maps
from prn_pipeline.serving.folder_images import images_below
from prn_pipeline.serving.journal import Entry, Journal, as_json, stamp
from prn_pipeline.serving.pictures import write_mask, write_overlay, write_probabilities
from prn_pipeline.serving.predicted import Examined
from prn_pipeline.serving.predictor import Item, Predictor
from prn_pipeline.serving.sources import decoded

TABLE = "refined.csv"


@dataclass(frozen=True)
class FolderJob:
    """What is refined, and what is written of it.

    Attributes:
        images: a folder, or one image.
        out: folder for masks/, overlays/, probabilities/ and `TABLE`.
        maps: of another program, in place of the base model's.
        at_own_scale: see `Predictor.predict`.
        overlays: write them.
        probabilities: write them.
    """

    images: Path
    out: Path
    maps: MapFolder | None = None
    at_own_scale: bool = False
    overlays: bool = True
    probabilities: bool = False

    @property
    def place(self) -> str:
        """The folder of the images: results of others may lie beside those of its own. "" for one image."""
        return str(self.images.resolve()) if self.images.is_dir() else ""

    def made_with(self, predictor: Predictor) -> Entry:
        """What results depend on beside the images; those of another run are not mixed with them."""
        return {
            "model": predictor.digest,
            "maps": str(self.maps.place.resolve()) if self.maps else None,
            "at_own_scale": self.at_own_scale,
            "overlays": self.overlays,
            "probabilities": self.probabilities,
        }


class FolderRun:
    """One run of a job.

    Attributes:
        files: every image by name.
        left: those that have not been refined yet, or have changed since.
        journal: of this run and those before it.

    Args:
        predictor: what refines.
        job: what is refined.
        overwrite: nothing counts as done, whoever did it.

    Raises:
        UserError: no images; results of another model or of other options are there.
    """

    def __init__(self, predictor: Predictor, job: FolderJob, overwrite: bool = False) -> None:
        self._predictor, self._job = predictor, job
        self.files = images_below(job.images, predictor.settings.bands is not None, job.out)
        #: Images of this very folder that were refined before, and are gone.
        self._gone: list[str] = []
        if overwrite:
            own = [name for name, entry in Journal.forget(job.out).items() if entry.get("images") == job.place != ""]
            self._gone = [name for name in own if name not in self.files]
        self.journal = Journal(job.out, job.made_with(predictor))
        self.left = {
            name: path
            for name, path in self.files.items()
            if not (self.journal.is_done(name, path) and _mask_file(job.out, name).is_file())
        }
        self._failed: list[tuple[str, str]] = []

    def refine(self) -> Iterator[tuple[str, str | None]]:
        """Refine what is left, then write the table.

        An image that cannot be refined is noted and stops no other; it is tried again the next time.

        Yields:
            Each image's name, and what is wrong with it if something is.

        Raises:
            UserError: the predictor cannot be used so.
        """
        waiting: deque[tuple[str, Item]] = deque()
        for examined in self._predictor.examine(self._items(waiting), self._job.at_own_scale):
            name, item = waiting.popleft()
            _write(self._predictor, self._job, name, item, examined)
            self.journal.add(_entry(self._predictor, self._job, name, self.files[name], examined))
            yield name, None
        for name, error in self._failed:
            _remove_results(self._job.out, name)  # of the file that was there before
            self.journal.add({"name": name, "error": error})
            yield name, error
        for name in self._gone:
            _remove_results(self._job.out, name)
        write_table(self._job.out, self.journal, list(self.files))

    def _items(self, waiting: deque[tuple[str, Item]]) -> Iterator[Item]:
        for name, path in self.left.items():
            try:
                item = _opened(self._predictor, self._job, name, path)
            except UserError as error:
                self._failed.append((name, str(error)))
            else:
                waiting.append((name, item))
                yield item


def write_table(out: Path, journal: Journal, names: list[str]) -> None:
    """`TABLE`: a row an image."""
    rows = [journal.entries[name] for name in names if name in journal.entries]
    table = pd.DataFrame([{"name": row["name"], **row.get("row", {}), "error": row.get("error", "")} for row in rows])
    table = table[[*(column for column in table if column != "error"), "error"]]  # last, whichever row comes first
    table = table.convert_dtypes()  # whole numbers stay whole beside rows that failed
    with atomic_write(out / TABLE) as temporary:
        table.to_csv(temporary, index=False)


def _opened(predictor: Predictor, job: FolderJob, name: str, path: Path) -> Item:
    image = decoded(path, predictor.settings.bands)
    if job.maps is None:
        return Item(image)
    if name not in job.maps:
        raise UserError(f"{path}: there is no map of it at {job.maps.place}, which has {job.maps.examples}")
    height, width = image.shape[:2]
    return Item(image, read_maps(job.maps, name, (height, width), predictor.classes).numpy())


def _write(predictor: Predictor, job: FolderJob, name: str, item: Item, examined: Examined) -> None:
    mask, probabilities = examined.predicted
    write_mask(_mask_file(job.out, name), mask, predictor.classes)
    if job.probabilities:
        write_probabilities(job.out / "probabilities" / f"{name}.png", probabilities)
    if job.overlays and item.image is not None:
        write_overlay(_overlay_file(job.out, name), item.image, mask, examined.base_mask, predictor.classes)


def _mask_file(out: Path, name: str) -> Path:
    return out / "masks" / f"{name}.png"


def _overlay_file(out: Path, name: str) -> Path:
    return out / "overlays" / f"{name}.jpg"


def _remove_results(out: Path, name: str) -> None:
    probabilities = (out / "probabilities" / f"{name}{ending}" for ending in (".png", ".npy"))  # of several classes
    for file in (_mask_file(out, name), _overlay_file(out, name), *probabilities):
        file.unlink(missing_ok=True)


def _entry(predictor: Predictor, job: FolderJob, name: str, path: Path, examined: Examined) -> Entry:
    mask, base = examined.predicted.mask, examined.base_mask
    if predictor.classes > 1:
        shares = {f"share of {one}": float(np.mean(mask == at)) for at, one in enumerate(predictor.settings.classes)}
    else:
        shares = {"foreground": float(mask.mean())}
    description = examined.description
    confidence = description.values[0, names_of(()).index("confidence")]
    row = {
        "height": mask.shape[0],
        "width": mask.shape[1],
        **{key: round(share, 6) for key, share in shares.items()},
        "changed": round(float(np.mean(mask != base)), 6),
        "base_confidence": round(float(confidence), 4),
    }
    source = {"images": job.place, "source": stamp(path)}
    return {"name": name, **source, "row": row, "description": as_json(description)}
