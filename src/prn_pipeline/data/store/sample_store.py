"""Samples as the stages see them: a manifest (one row a sample) and the arrays that belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prn_pipeline.data.store.array_store import ArrayStore, shards
from prn_pipeline.data.store.read_ahead import read_ahead
from prn_pipeline.errors import UserError

#: Attribute of every store and of the manifest: which samples, in which splits.
IDENTITY = "samples"


@dataclass(frozen=True)
class Samples:
    """A manifest and the stores whose rows it describes.

    Args:
        manifest: one row a sample: sample_id, split, fold, ... (`data.ingestion`).
        stores: array stores of the same length, by role, e.g. {"samples": ..., "maps": ...}.

    Raises:
        UserError: a store is of another length than the manifest, or was made from other samples.
    """

    manifest: pd.DataFrame
    stores: dict[str, ArrayStore]

    def __post_init__(self) -> None:
        identity = self.manifest.attrs.get(IDENTITY)
        fitting = {len(self.manifest), len(self.manifest) * self.maps_per_image}
        for role, store in self.stores.items():
            if len(store) not in fitting or store.attributes.get(IDENTITY) != identity:
                raise UserError(
                    f"{store.path} ({role}, {len(store)} rows) was not made from the samples of the manifest as it is"
                    f" now ({len(self.manifest)} rows): run its pipeline again, or all of them with `kedro run`"
                )

    @property
    def maps_per_image(self) -> int:
        """So many neighbouring rows belong to one image."""
        return 1

    def rows(self, splits: Iterable[str]) -> np.ndarray:
        """Row numbers of the samples in these splits, int64, ascending.

        Raises:
            UserError: there are none.
        """
        wanted = list(splits)
        rows = np.flatnonzero(self.manifest["split"].isin(wanted).to_numpy())
        if not rows.size:
            present = self.manifest["split"].value_counts().to_dict()
            raise UserError(f"no samples in split {' + '.join(wanted)}; the manifest has {present}")
        return rows

    def array(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of the array `name`, whichever store holds it."""
        return self.store_of(name).read(name, rows)

    def batches(self, names: Sequence[str], rows: np.ndarray) -> Iterator[list[np.ndarray]]:
        """The arrays `names` of `rows`, a shard at a time; the next is read while the caller works on this one."""
        parts = shards(rows, self.maps_per_image)
        return read_ahead([self.array(name, part) for name in names] for part in parts)

    def holds(self, name: str) -> bool:
        """Whether some store has the array `name`."""
        return any(name in store.names for store in self.stores.values())

    def store_of(self, name: str) -> ArrayStore:
        """The store that holds the array `name`."""
        for store in self.stores.values():
            if name in store.names:
                return store
        raise KeyError(f"no store holds {name}; there are {[store.names for store in self.stores.values()]}")
