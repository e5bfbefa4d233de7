"""A small data set of images that are wider than high, and honest maps of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.special import expit

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation.map_checks.check import MapWarnings, check_maps
from prn_pipeline.segmentation.map_files import MapFiles
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.training.tiling import Tiles

HEIGHT, WIDTH, NUMBER, SIZE = 64, 96, 16, 96


class Scenes(NamedTuple):
    """Samples of stretched images, and what a good model says of each: probabilities (64, 96)."""

    samples: Samples
    probabilities: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    rng = np.random.default_rng(0)
    masks = np.zeros((NUMBER, HEIGHT, WIDTH), np.uint8)
    for mask in masks:
        top, left = rng.integers(2, 30), rng.integers(2, 60)
        mask[top : top + 20, left : left + 30] = 1
    noise = ndimage.gaussian_filter(rng.normal(0, 1, masks.shape), (0, 3, 3))
    logits = 8 * ndimage.gaussian_filter(masks.astype(float), (0, 1, 1)) - 4 + noise / noise.std()
    names = [f"scene-{number:02d}" for number in range(NUMBER)]
    manifest = pd.DataFrame(
        {
            "sample_id": names,
            "split": ["val", "val", "val", "test"] * (NUMBER // 4),
            "fold": 0,
            "native_height": HEIGHT,
            "native_width": WIDTH,
            "foreground": masks.mean((1, 2)),
        }
    )
    manifest.attrs[IDENTITY] = "scenes"
    stretched = masks[:, np.arange(SIZE) * HEIGHT // SIZE]
    arrays = {"images": np.zeros((NUMBER, SIZE, SIZE, 3), np.uint8), "masks": stretched}
    folder = tmp_path_factory.mktemp("scenes")
    write_arrays(folder / "samples.zarr", ArrayStream([arrays], {IDENTITY: "scenes"}))
    samples = Samples(manifest, {"samples": ArrayStore(folder / "samples.zarr")})
    return Scenes(samples, dict(zip(names, expit(logits).astype(np.float32), strict=True)))


Form = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def check(scenes: Scenes, tmp_path: Path) -> Callable[..., MapWarnings]:
    """Write the maps in some form, and compare them with the truth as a run would."""

    def run(form: Form, **settings: Any) -> MapWarnings:
        (tmp_path / "set" / "maps").mkdir(parents=True, exist_ok=True)
        for name, probabilities in scenes.probabilities.items():
            np.save(tmp_path / "set" / "maps" / f"{name}.npy", form(probabilities))
        source = MapFiles(MapFilesSettings.model_validate({"kind": "maps", "seen": [], **settings}))
        place = DatasetPlace("set", None, tmp_path)
        cache = source.map_cache(
            scenes.samples, scenes.samples.manifest, CacheRequest("holdout", {}, 1, (), Tiles(), place)
        )
        return check_maps(source, cache, scenes.samples, place)

    return run
