"""Small stored samples that a network can learn from in seconds."""

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples


@pytest.fixture(scope="session")
def bright_squares(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """24 images (64 px) of a bright square each, its mask, noisy logits of it; split 12 / 6 / 6, folds 0 .. 2."""
    rng = np.random.default_rng(0)
    masks = np.zeros((24, 64, 64), np.uint8)
    for mask in masks:
        top, left = rng.integers(4, 34, 2)
        mask[top : top + 24, left : left + 24] = 1
    images = np.clip(60 + 120 * masks[..., None] + rng.normal(0, 20, (24, 64, 64, 3)), 0, 255).astype(np.uint8)
    place = np.linspace(-1.5, 1.5, 64)[None, :, None]  # logits too low at the top, too high at the bottom
    logits = (3.0 * masks - 1.5 + place + rng.normal(0, 0.5, masks.shape)).astype(np.float16)
    manifest = pd.DataFrame(
        {
            "sample_id": [f"square-{i:02d}" for i in range(24)],
            "split": ["train", "train", "val", "test"] * 6,
            "group": [f"square-{i:02d}" for i in range(24)],
            "fold": [(-1 if i % 4 == 3 else i % 3) for i in range(24)],
            "native_height": 64,
            "native_width": 64,
        }
    )
    manifest.attrs[IDENTITY] = "bright-squares"
    folder = tmp_path_factory.mktemp("squares")
    attributes = {IDENTITY: "bright-squares"}
    write_arrays(folder / "samples.zarr", ArrayStream([{"images": images, "masks": masks}], attributes))
    write_arrays(folder / "logits.zarr", ArrayStream([{"logits": logits}], attributes))
    stores = {name: ArrayStore(folder / f"{name}.zarr") for name in ("samples", "logits")}
    return Samples(manifest, stores)
