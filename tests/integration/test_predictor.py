"""The predictor and the evaluation stage give the same maps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.io.modules import ModuleDataset
from prn_pipeline.refinement.region_detail import other_scales
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.precision import multiplies_bf16
from tests.integration.conftest import run_pipelines

BASE = "synthetic_roads/unet_resnet18_small"


def test_the_predictor_gives_the_maps_of_the_evaluation_stage(finished: Path) -> None:
    assert_same_maps(finished)


def test_so_does_that_of_a_refiner_of_other_scales(
    finished: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_scales, "MIN_GAIN", -1.0)  # after six steps of training nothing gains
    for folder in ("02_intermediate", "04_feature", "05_model_input", "06_models"):
        shutil.copytree(finished / "data" / folder, project / "data" / folder)
    # Not trees: where a question is about a logit that another batch size rounds otherwise, their answer jumps.
    reading = {"prn": {"inputs": ["images", "tta", "tta_scales"], "inputs_if_available": []}}
    run_pipelines(project, ["prn_training", "evaluation"], refiner="prn", refiners=reading)
    scores = json.loads((project / f"metrics/{BASE}/prn/seed-0.json").read_text())
    assert scores["guard"]["tta_scales"] == 1
    assert scores["cost"]["refiner"]["base_passes"] == 11
    assert_same_maps(project)


def assert_same_maps(project: Path) -> None:
    """Equal to the last bit, except on processors whose kernels round differently for other batch sizes."""
    data = project / "data"
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
