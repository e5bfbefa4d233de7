"""A training of seconds, for tests of the loop."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}
FAST = {"batch_size": 4, "learning_rate": 0.05, "precision": "fp32"}


class Pixelwise(nn.Module):
    """The smallest network that separates bright from dark."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.float() / 64 - 2)


def train(
    samples: Samples, folder: Path, validated: bool = True, objective: Any = None, **settings: Any
) -> TrainingResult:
    chosen = TrainingSettings.model_validate({"epochs": 4, **FAST, **settings})
    return fit(
        Pixelwise,
        objective or MaskObjective("bce"),
        StoredSamples(samples, samples.rows(["train"]), ARRAYS, chosen.augmentation),
        StoredSamples(samples, samples.rows(["val"]), ARRAYS) if validated else None,
        chosen,
        seed=3,
        checkpoints=folder,
        listener=settings.get("listener"),
    )


def same(a: TrainingResult, b: TrainingResult) -> bool:
    states = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])
