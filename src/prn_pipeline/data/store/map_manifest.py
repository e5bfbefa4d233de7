"""The manifest of maps: which model computed each map, and which maps a refiner may learn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: Model of an image without a map: other programs need not write a map of every image.
NO_MAP = "none"


def learning_rows(map_manifest: pd.DataFrame) -> np.ndarray:
    """Rows whose model was not trained on their image, and that are not test: a refiner learns from them. int64."""
    usable = ~map_manifest["seen_in_training"] & (map_manifest["split"] != "test")
    return np.flatnonzero(usable.to_numpy())


def seen_rows(map_manifest: pd.DataFrame) -> np.ndarray:
    """Rows whose model was trained on their image, so that the map is better than that of a new image. int64."""
    return np.flatnonzero((map_manifest["seen_in_training"] & (map_manifest["model"] != NO_MAP)).to_numpy())
