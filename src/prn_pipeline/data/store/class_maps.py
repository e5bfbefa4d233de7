"""Samples of several classes as binary samples: each class against all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples

#: Attribute of the samples' store: number of classes of the masks; absent for binary masks.
CLASSES = "classes"


@dataclass(frozen=True)
class ClassMaps(Samples):
    """One row per map: row i is class i % C of sample i // C, C = `maps_per_image`.

    Code for binary samples works on these rows too: the mask of a row shows its class, the image is that of its sample,
    and stores of maps have the same rows. Only the requested rows are read.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        number = self.maps_per_image
        repeated = self.manifest.loc[self.manifest.index.repeat(number)].reset_index(drop=True)
        repeated["class_id"] = np.tile(np.arange(number), len(self.manifest))
        repeated.attrs = dict(self.manifest.attrs)
        object.__setattr__(self, "manifest", repeated)

    @property
    def maps_per_image(self) -> int:
        """Number of classes."""
        return int(self.stores["samples"].attributes[CLASSES])

    def array(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of the array `name`; a mask is uint8 of 0, 1 and 255."""
        store = self.store_of(name)
        if len(store) == len(self.manifest):
            return store.read(name, rows)
        images, places = np.unique(np.asarray(rows, np.int64) // self.maps_per_image, return_inverse=True)
        found = store.read(name, images)[places]
        if name != "masks":
            return found
        ids = (np.asarray(rows) % self.maps_per_image)[:, None, None]
        return np.where(found == IGNORE, np.uint8(IGNORE), (found == ids).astype(np.uint8))


def map_samples(manifest: pd.DataFrame, stores: dict[str, ArrayStore]) -> Samples:
    """Samples as refiners see them: one row per map.

    Args:
        manifest: of the samples.
        stores: "samples", and others with one row per sample or per map.
    """
    return (ClassMaps if CLASSES in stores["samples"].attributes else Samples)(manifest, stores)
