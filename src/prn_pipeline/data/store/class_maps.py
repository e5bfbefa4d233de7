"""Samples of several classes as so many binary ones: each class against all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples

#: Attribute of the samples' store: how many classes their masks have, where it is not foreground or not.
CLASSES = "classes"


@dataclass(frozen=True)
class ClassMaps(Samples):
    """Rows of maps: row i is of sample i // C and of class i % C, C = `maps_per_image`.

    Whatever works on binary samples works on these: a mask says where the row's class is, an image is that of its
    sample, and stores of maps have a row each. Nothing is copied but what is asked for.
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
        """How many classes there are."""
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
    """Samples as refiners see them, a row a map.

    Args:
        manifest: of the samples.
        stores: "samples", and others with a row a sample or a map.
    """
    return (ClassMaps if CLASSES in stores["samples"].attributes else Samples)(manifest, stores)
