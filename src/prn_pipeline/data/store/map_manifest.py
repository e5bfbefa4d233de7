"""The manifest of the maps: which model made each, and which ones a refiner may learn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: Stands for a model in the manifest of maps where there is no map: other programs need not give one of every image.
NO_MAP = "none"


def learning_rows(map_manifest: pd.DataFrame) -> np.ndarray:
    """Rows whose maps look like those of new images: out of sample, and not test. int64, ascending."""
    usable = ~map_manifest["seen_in_training"] & (map_manifest["split"] != "test")
    return np.flatnonzero(usable.to_numpy())


def seen_rows(map_manifest: pd.DataFrame) -> np.ndarray:
    """Rows whose maps are of images that their model was trained on: better than those of new images. int64."""
    return np.flatnonzero((map_manifest["seen_in_training"] & (map_manifest["model"] != NO_MAP)).to_numpy())
