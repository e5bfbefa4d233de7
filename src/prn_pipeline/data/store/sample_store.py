"""Samples as the stages see them: a manifest (one row per sample) and the arrays that belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prn_pipeline.data.canvas import LETTERBOXED, Canvas, Region
from prn_pipeline.data.store.array_store import ArrayStore, shards
from prn_pipeline.data.store.read_ahead import read_ahead
from prn_pipeline.errors import UserError

#: Attribute of every store and of the manifest that identifies the samples and their splits.
IDENTITY = "samples"


@dataclass(frozen=True)
class Samples:
    """A manifest and the stores whose rows it describes.

    Args:
        manifest: one row per sample: sample_id, split, fold, ... (`data.ingestion`).
        stores: array stores of the same length, by role, e.g. {"samples": ..., "maps": ...}.

    Raises:
        UserError: a store has another length than the manifest, or was made from other samples.
    """

    manifest: pd.DataFrame
    stores: dict[str, ArrayStore]

    def __post_init__(self) -> None:
        identity = self.manifest.attrs.get(IDENTITY)
        fitting = {len(self.manifest), len(self.manifest) * self.maps_per_image}
        for role, store in self.stores.items():
            if len(store) not in fitting or store.attributes.get(IDENTITY) != identity:
                raise UserError(
                    f"{store.path} ({role}, {len(store)} rows) was not made from the samples of the current"
                    f" manifest ({len(self.manifest)} rows): run its pipeline again, or all of them with `kedro run`"
                )

    @property
    def canvas(self) -> Canvas:
        """The shape of samples."""
        height, width = self.store_of("masks").shape("masks")[1:]
        return Canvas(height, width, self.letterboxed)

    @property
    def letterboxed(self) -> bool:
        """Whether samples have padding, which no score counts."""
        return bool(self.manifest.attrs.get(LETTERBOXED))

    def regions(self, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[slice, Region | None]]:
        """Neighbouring rows whose images lie at the same place of the sample.

        Args:
            rows: rows of the manifest.

        Yields:
            A range of `rows`, and the part of its samples that shows the image; None for all of it. Ranges are in order
            and cover all rows, and of one image always all.
        """
        if not self.letterboxed:
            yield slice(0, len(rows)), None
            return
        canvas, sizes = self.canvas, self.manifest[["native_height", "native_width"]].to_numpy()[np.asarray(rows)]
        starts = [0, *(np.flatnonzero((sizes[1:] != sizes[:-1]).any(1)) + 1).tolist()] if len(rows) else []
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            yield slice(start, stop), canvas.region((int(sizes[start, 0]), int(sizes[start, 1])))

    @property
    def maps_per_image(self) -> int:
        """Number of neighbouring rows that belong to one image."""
        return 1

    def rows(self, splits: Iterable[str]) -> np.ndarray:
        """Row numbers of the samples in these splits, int64, ascending.

        Raises:
            UserError: these splits have no samples.
        """
        wanted = list(splits)
        rows = np.flatnonzero(self.manifest["split"].isin(wanted).to_numpy())
        if not rows.size:
            present = self.manifest["split"].value_counts().to_dict()
            raise UserError(f"no samples in split {' + '.join(wanted)}; the manifest has {present}")
        return rows

    def array(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of the array `name`, from the store that holds it."""
        return self.store_of(name).read(name, rows)

    def batches(self, names: Sequence[str], rows: np.ndarray) -> Iterator[list[np.ndarray]]:
        """The arrays `names` of `rows`, one shard at a time; the next shard is read while the caller uses this one."""
        return read_ahead([self.array(name, some) for name in names] for some in shards(rows, self.maps_per_image))

    def holds(self, name: str) -> bool:
        """Whether some store has the array `name`."""
        return any(name in store.names for store in self.stores.values())

    def store_of(self, name: str) -> ArrayStore:
        """The store that holds the array `name`."""
        for store in self.stores.values():
            if name in store.names:
                return store
        raise KeyError(f"no store holds {name}; the stores hold {[store.names for store in self.stores.values()]}")
