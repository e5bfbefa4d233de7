"""The predictor and the evaluation stage give the same maps."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.io.modules import ModuleDataset
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.precision import multiplies_bf16

BASE = "synthetic_roads/unet_resnet18_small"


def test_the_predictor_gives_the_maps_of_the_evaluation_stage(finished: Path) -> None:
    """Equal to the last bit, except on processors whose kernels round differently for other batch sizes."""
    data = finished / "data"
    base, refiner = (
        ModuleDataset(filepath=str(data / "06_models" / file), rebuild=rebuild).load()
        for file, rebuild in (
            (f"{BASE}/seed-0/base.safetensors", "prn_pipeline.segmentation.registry:rebuild_base_model"),
            (f"{BASE}/prn/seed-0/refiner.safetensors", "prn_pipeline.refinement.registry:rebuild_refiner"),
        )
    )
    manifest = pd.read_parquet(data / "02_intermediate/synthetic_roads/manifest.parquet")
    test = np.flatnonzero(manifest["split"] == "test")
    images = ArrayStore(data / "02_intermediate/synthetic_roads/samples.zarr").read("images", test)
    refined = ArrayStore(data / f"07_model_output/{BASE}/prn/seed-0/refined.zarr").read("logits", slice(None))
    served = Predictor(base, refiner, PredictorSettings(image_size=64))  # type: ignore[arg-type]
    logits = served.logits(images).refined[:, 0]
    masks = np.stack([found.mask for found in served.predict(images)])
    if multiplies_bf16(torch.device("cpu")):
        assert (logits == refined).all()
        assert (masks == (refined > 0)).all()
    else:  # batches of other sizes round otherwise, and RankSEG's shift is one of the float16 logits: here below 8
        np.testing.assert_allclose(logits, refined, rtol=2e-3, atol=2**-8)
        assert (masks == (refined > 0))[np.abs(refined) > 2**-8].all()
