"""Predictors with random weights, which need no training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.segmentation.settings import BaseModelSettings, MapFilesSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.tiling import Tiles

SMALL = {"network": "region_detail", "members": 2, "detail_width": 4, "detail_levels": 2, "region_width": 4}


def random_refiner(inputs: tuple[str, ...] = ("tta", "images"), seed: int = 0) -> FoldEnsemble:
    """A refiner with random weights, also in layers that are zero before training."""
    torch.manual_seed(seed)
    models = {"several_maps_channels": 2} if "several_maps" in inputs else {}
    scales = {"tta_scales": (0.75, 1.25)} if "tta_scales" in inputs else {}
    settings = RegionDetailSettings.model_validate({**SMALL, "inputs": inputs, **models, **scales})
    refiner = FoldEnsemble(settings).eval()
    for parameter in refiner.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return refiner


def random_predictor(classes: int = 1, tile: int = 64, seed: int = 0) -> Predictor:
    """A base model and a refiner with random weights, for images of 64 x 64."""
    refiner = random_refiner(seed=seed)
    torch.manual_seed(seed)
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", classes=classes)).eval()
    names = tuple("abcdefgh"[:classes]) if classes > 1 else ()
    return Predictor(base, refiner, PredictorSettings(image_size=64, classes=names, tiles=Tiles(size=tile, overlap=32)))


def map_predictor(inputs: tuple[str, ...] = (), **reading: Any) -> Predictor:
    """A predictor that refines maps of another program, which are read as `reading` says."""
    base = build_base_model(MapFilesSettings.model_validate({"kind": "maps", **reading}))
    return Predictor(base, random_refiner(inputs), PredictorSettings(image_size=64))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """A predictor shared by all tests that do not change it."""
    return random_predictor()


@pytest.fixture
def scenes() -> list[np.ndarray]:
    """Images of several sizes."""
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (50, 90), (33, 20))]


@pytest.fixture
def photos(tmp_path: Path, scenes: list[np.ndarray]) -> Path:
    """Three images, one of them in a sub-folder."""
    folder = tmp_path / "photos"
    for name, image in zip(("a.png", "b.png", "more/c.png"), scenes, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
    return folder
