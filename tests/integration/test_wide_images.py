"""Pictures of more than 8 bits have one scale from ingestion to the served predictor."""

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.serving.predictor import Predictor
from tests.integration.conftest import run_pipelines

EASY = {"comparison": {"smallest_slice": 4, "smallest_test": 4}}


def draw_cells(folder: Path, count: int) -> None:
    """Bright squares of a 12-bit camera in 16-bit files; the first frame is dark, with values below 256."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        mask = np.zeros((64, 64), bool)
        top, left = rng.integers(5, 35, 2)
        mask[top : top + 25, left : left + 25] = True
        frame = rng.integers(0, 1500, (64, 64)) + 2500 * mask
        tifffile.imwrite(folder / f"images/{number:02d}.tif", (frame // (20 if number == 0 else 1)).astype(np.uint16))
        tifffile.imwrite(folder / f"masks/{number:02d}.tif", mask)


def test_ingestion_measures_the_scale_that_the_predictor_keeps(project: Path) -> None:
    raw = project / "data/01_raw/cells"
    draw_cells(raw, 18)
    cells = {"image_size": 64, "folds": 3, "split": {"method": "ratio", "val": 0.3, "test": 0.3}}
    run_pipelines(project, ["__default__", "promotion"], dataset="cells", datasets={"cells": cells}, promotion=EASY)
    manifest = pd.read_parquet(project / "data/02_intermediate/cells/manifest.parquet")
    assert set(manifest["foreground"]) == {25 * 25 / 64**2}
    store = ArrayStore(project / "data/02_intermediate/cells/samples.zarr")
    images = store.read("images", slice(None))
    assert images[0].max() == 3999 // 20 * 255 // 4095
    assert images[1:].max() > 200

    served = Predictor.load("models:/cells/1")
    assert served.settings.white == manifest.attrs["white"] == 4095
    for number in (0, 1):
        from_file = served.predict(raw / f"images/{number:02d}.tif")[0]
        from_store = served.predict(images[number])[0]
        np.testing.assert_array_equal(from_file.probabilities, from_store.probabilities)
    Image.fromarray(images[1]).save(project / "eight.png")
    np.testing.assert_array_equal(served.predict(project / "eight.png")[0].mask, served.predict(images[1])[0].mask)
