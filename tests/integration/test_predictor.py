"""The predictor and the evaluation stage make the same maps."""

from pathlib import Path

import numpy as np
import pandas as pd

from prn_pipeline.data.array_store import ArrayStore
from prn_pipeline.io import ModuleDataset
from prn_pipeline.serving import Predictor, PredictorSettings

BASE = "synthetic_roads/unet_resnet18_small"


def test_it_gives_what_the_evaluation_stage_has_measured_to_the_last_bit(finished: Path) -> None:
    data = finished / "data"
    base, refiner = (
        ModuleDataset(filepath=str(data / "06_models" / file), kind=kind).load()
        for file, kind in (
            (f"{BASE}/seed-0/base.safetensors", "base_model"),
            (f"{BASE}/prn/seed-0/refiner.safetensors", "refiner"),
        )
    )
    manifest = pd.read_parquet(data / "02_intermediate/synthetic_roads/manifest.parquet")
    test = np.flatnonzero(manifest["split"] == "test")
    images = ArrayStore(data / "02_intermediate/synthetic_roads/samples.zarr").read("images", test)
    refined = ArrayStore(data / f"07_model_output/{BASE}/prn/seed-0/refined.zarr").read("logits", slice(None))
    served = Predictor(base, refiner, PredictorSettings(image_size=64))  # type: ignore[arg-type]
    assert (served.logits(images).refined[:, 0] == refined).all()
    masks = np.stack([found.mask for found in served.predict(images)])
    assert (masks == (refined > 0)).all()
