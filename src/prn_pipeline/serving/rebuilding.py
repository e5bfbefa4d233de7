"""How a stored module is rebuilt from its settings before its weights are loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from prn_pipeline.refinement.building import build_refiner
from prn_pipeline.refinement.settings import read_settings
from prn_pipeline.segmentation import build_base_model, read_base_settings

REBUILD: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "base_model": lambda settings: build_base_model(read_base_settings(settings), pretrained=False),
    "refiner": lambda settings: build_refiner(read_settings(settings)),
}
