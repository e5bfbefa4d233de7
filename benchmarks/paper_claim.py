"""`python -m benchmarks.paper_claim`: what the paper's network gains, over the number of maps that it learns from.

Generated scenes of 128 px, a base model that is trained out on other scenes, width 16. Every fit takes the same steps,
whatever the number of maps; no map is held out and no epoch chosen. Targets: the paper's mix of pseudo-labels and true
masks, each of them alone, and the mix under the loss of the released script. Each network is measured on the same test
scenes with the running statistics of its batch norms, and with those of each batch, as in training. An interrupted call
continues. Then docs/results.md. A step takes two thirds of a second on a CPU core, so all fits need a GPU.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.paper_claim_page import KEPT, write_page
from benchmarks.run_once import SHARED, kedro, maps_folder
from benchmarks.stored_runs import counts_of, open_map_manifest, open_samples
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.bootstrap import paired_gain
from prn_pipeline.metrics.scores import by_class, mean_iou
from prn_pipeline.refinement import FixedThreshold
from prn_pipeline.refinement.baselines.threshold_tuning import tune_threshold
from prn_pipeline.refinement.patch_refine_net.objective import PatchRefineNetObjective
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

DATASET, BASE_MODEL, SEED, RESAMPLES = "scenes", "unet_resnet18_small", 0, 2000
SIZES = (50, 200, 1000, 2000)
#: The base model is trained out by the usual rule, in larger epochs: val has most of the scenes, so that a look at it
#: takes as long as sixty batches.
BASE_TRAINING = {
    "base_training.batch_size": "8",
    "base_training.steps_per_epoch": "90",
    "base_training.early_stop_patience": "3",
    "base_training.plateau_patience": "1",
}
#: Name -> loss, and which stored arrays stand for pseudo-labels and for true masks.
TARGETS: dict[str, tuple[Any, dict[str, str]]] = {
    "paper's mix": ("paper", {"pseudo_labels": "labels", "masks": "masks"}),
    "true masks": ("paper", {"pseudo_labels": "masks", "masks": "masks"}),
    "pseudo-labels": ("paper", {"pseudo_labels": "labels", "masks": "labels"}),
    "paper's mix, released loss": ("released", {"pseudo_labels": "labels", "masks": "masks"}),
}
#: The paper's optimizer; a cosine, because nothing is validated that could lower the rate. 20,000 steps, because after
#: 600 of them the network does not yet repeat the maps that it reads.
TRAINING = TrainingSettings.model_validate(
    {
        "epochs": 200,
        "steps_per_epoch": 100,
        "batch_size": 4,
        "optimizer": "adam",
        "learning_rate": 8e-4,
        "weight_decay": 0.0,
        "schedule": "cosine",
        "gradient_clip": 0.0,
        "augmentation": {"flips": True, "turns": True},
    }
)


class BatchStatistics(nn.Module):
    """A trained network whose batch norms use the statistics of each batch, as in training."""

    def __init__(self, network: PaperRefiner) -> None:
        super().__init__()
        self.network = network

    def forward(self, base_logits: torch.Tensor) -> torch.Tensor:
        """Refined logits (N,1,H,W); running statistics stay as they are."""
        norms = [module for module in self.network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.train()
            norm.momentum = 0.0
        refined: torch.Tensor = self.network(base_logits)
        return refined


def fitted(samples: Samples, rows: np.ndarray, target: str, checkpoints: Path) -> PaperRefiner:
    """The paper's network, trained on these maps."""
    loss, arrays = TARGETS[target]
    settings = PatchRefineNetSettings(width=16, loss=loss)
    learned = StoredSamples(samples, rows, {"inputs": "logits", **arrays}, TRAINING.augmentation)
    result = fit(
        lambda: PaperRefiner(settings), PatchRefineNetObjective(settings), learned, None, TRAINING, SEED, checkpoints
    )
    assert isinstance(result.network, PaperRefiner)
    return result.network


def measure(samples: Samples, rows: np.ndarray, target: str, checkpoints: Path) -> dict[str, Any]:
    """Gains over the base model on the test scenes, with running statistics and with those of batches."""
    test = samples.rows(["test"])
    base = counts_of(FixedThreshold(), samples, test, ("logits",))
    network = fitted(samples, rows, target, checkpoints)
    found = {"running": counts_of(network, samples, test, ("logits",))}
    found["batch"] = counts_of(BatchStatistics(network), samples, test, ("logits",))
    gains: Any = {name: paired_gain(counts, base, RESAMPLES, SEED) for name, counts in found.items()}
    return {"base": _iou(base), "gains": gains}


def tuned(samples: Samples, rows: np.ndarray) -> dict[str, Any]:
    """Gain of one threshold, tuned on the same maps."""
    test = samples.rows(["test"])
    threshold = tune_threshold(_probabilities(samples, rows), samples.array("masks", rows))
    counts, base = (counts_of(FixedThreshold(value), samples, test, ("logits",)) for value in (float(threshold), 0.5))
    return {"base": _iou(base), "gains": {"running": paired_gain(counts, base, RESAMPLES, SEED)}}


def _iou(counts: np.ndarray) -> float:
    return float(mean_iou(by_class(counts).sum(0)))


def _probabilities(samples: Samples, rows: np.ndarray) -> np.ndarray:
    return torch.sigmoid(torch.from_numpy(samples.array("logits", rows)).float()).numpy()


def fits() -> Iterator[tuple[int, str]]:
    """Sizes and targets, all sizes of one target first."""
    yield from ((size, target) for target, size in itertools.product(TARGETS, SIZES))


def main() -> None:
    """Measure what is missing in `KEPT`, then write the figure and the table."""
    if not maps_folder(DATASET, BASE_MODEL, SEED).is_dir() and not kedro(
        SHARED, DATASET, BASE_MODEL, SEED, extra=BASE_TRAINING
    ):
        return
    samples = open_samples(DATASET, BASE_MODEL, SEED)
    rows = learning_rows(open_map_manifest(DATASET, BASE_MODEL, SEED))
    found: dict[str, Any] = read_json(KEPT) if KEPT.is_file() else {}
    for size, target in fits():
        of_size = found.setdefault(str(size), {})
        if target not in of_size:
            with tempfile.TemporaryDirectory() as folder:
                of_size[target] = measure(samples, rows[:size], target, Path(folder))
            of_size["tuned threshold"] = of_size.get("tuned threshold") or tuned(samples, rows[:size])
            write_json(KEPT, found)
            print(size, target, of_size[target], flush=True)
    write_page(found)


if __name__ == "__main__":
    main()
