"""Stores such as the pipeline leaves between its stages, made up: drawn scenes, and maps of no model at all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, Batch, shards, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.data.synthetic.scene import draw_scene

DRAWN_SCENES = 8
NAME = "benchmark"


def write_stores(folder: Path, count: int, size: int) -> None:
    """Write samples, base logits with tta, and refined logits of `count` images of side `size`."""
    attributes = {IDENTITY: NAME}
    write_arrays(folder / "samples.zarr", ArrayStream(_samples(count, size), attributes))
    for name, noise in (("logits", 1.0), ("refined", 0.5)):
        write_arrays(folder / f"{name}.zarr", ArrayStream(_logits(count, size, noise), attributes))


def open_stores(folder: Path) -> tuple[Samples, ArrayStore, pd.DataFrame]:
    """What the stages take.

    Returns:
        Samples with images, masks and logits, all in split test; the refined logits; a manifest of the maps that calls
        all of them out-of-sample maps of val, so that every image is pseudo-labelled and tuned on too.
    """
    stores = {name: ArrayStore(folder / f"{name}.zarr") for name in ("samples", "logits")}
    count = len(stores["samples"])
    manifest = pd.DataFrame({"sample_id": [f"scene-{i:05d}" for i in range(count)], "split": "test", "fold": 0})
    manifest.attrs[IDENTITY] = NAME
    maps = manifest.assign(split="val", model="base", seen_in_training=False)
    return Samples(manifest, stores), ArrayStore(folder / "refined.zarr"), maps


@lru_cache(maxsize=1)
def _scenes(size: int) -> tuple[np.ndarray, np.ndarray]:
    scenes = [draw_scene(i, SyntheticSettings(size=size)) for i in range(DRAWN_SCENES)]
    images, masks = zip(*scenes, strict=True)
    return np.stack(images), np.stack(masks)


def _samples(count: int, size: int) -> Iterator[Batch]:
    images, masks = _scenes(size)
    for rows in shards(np.arange(count)):
        yield {"images": images[rows % DRAWN_SCENES], "masks": masks[rows % DRAWN_SCENES]}


def _logits(count: int, size: int, noise: float) -> Iterator[Batch]:
    _, masks = _scenes(size)
    rng = np.random.default_rng(0)
    drift = np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    for rows in shards(np.arange(count)):
        scattered = noise * rng.standard_normal((len(rows), size, size), np.float32)
        logits = (3.0 * masks[rows % DRAWN_SCENES] - 1.5 + drift + scattered).astype(np.float16)
        yield {"logits": logits, "tta": np.stack([logits, np.abs(logits)], axis=1)}
