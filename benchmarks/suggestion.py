"""`python -m benchmarks.suggestion`: are images that `prn suggest` lists worth more to a refiner than random ones?

Simulated on the learning images of a data set whose maps are there: a refiner is fitted to 10 labelled images, then to
10 more, which are suggested by it or drawn at random, and its gain is measured on learning images that are in neither.
Test images play no part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as students_t

from benchmarks.run_once import SHARED, kedro, maps_folder
from benchmarks.stored_runs import DATA, named_settings, open_map_manifest, open_samples
from benchmarks.suggestion_figure import draw
from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.splits.video_frames import thumbnail
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.metrics.map_quality.statistics import quality_statistics, true_iou
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble, OneMember
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.serving.suggestion.ranking import pick
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles

FOUND, FIGURE = Path("benchmarks/results/suggestion.json"), Path("docs/images/suggestion.png")
DATASET, BASE_MODELS, REFINER, SEED = "ecssd_strong", ("isnet_512", "isnet_1024"), "trees", 0
#: Labelled images at first, images added, images of the pool (the rest is held out), draws, random choices a draw.
LABELLED, ADDED, POOL, DRAWS, CHOICES = 10, 10, 57, 8, 3
#: Members of the refiner: fewer than by default, because so few images have few folds.
MEMBERS, BATCH = 3, 16


class Simulation:
    """Learning images of one base model, with their maps and masks.

    Args:
        base_model: whose maps are refined.
    """

    def __init__(self, base_model: str) -> None:
        self._samples = open_samples(DATASET, base_model, SEED)
        self._manifest = open_map_manifest(DATASET, base_model, SEED)
        self.rows = learning_rows(self._manifest)
        self.base, self.masks = (self._samples.array(name, self.rows)[:, None] for name in ("logits", "masks"))
        self.thumbnails = np.stack([thumbnail(image) for image in self._samples.array("images", self.rows)])
        block, _ = named_settings("refiners", REFINER)
        self._settings = read_settings(block | {"members": MEMBERS})

    def fitted(self, labelled: NDArray[np.int64], seed: int) -> FoldEnsemble:
        """A refiner that has learned from these images."""
        manifest = self._manifest.assign(seen_in_training=True)
        manifest.loc[manifest.index[self.rows[labelled]], "seen_in_training"] = False
        plan = FittingPlan(TrainingSettings(batch_size=BATCH), seed, DATA / "08_reporting/benchmark/checkpoints")
        network = train_refiner(LearningMaps(self._samples, manifest), self._settings, plan).network
        assert isinstance(network, FoldEnsemble)
        return network

    def refined(self, network: Any, images: NDArray[np.int64]) -> NDArray[np.float16]:
        """Refined logits (n,1,S,S) of images."""
        arrays = self._settings.arrays
        maps = predict_logits(network, self._samples, self.rows[images], arrays, BATCH, Tiles())
        return np.concatenate(list(maps))[:, None]

    def iou_micro(self, logits: NDArray[np.float16], images: NDArray[np.int64]) -> float:
        """Of logits (n,1,S,S) of images."""
        mask, truth = logits > 0, self.masks[images]
        valid = truth != IGNORE
        return float((mask & (truth == 1)).sum() / ((mask | (truth == 1)) & valid).sum())

    def disagreement(self, network: FoldEnsemble, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """1 - IoU of the masks of two members, as a mean over pairs of them: (n,)."""
        refined = [self.refined(OneMember(network, member), images) for member in range(len(network.members))]
        pairs = [(one, other) for one in range(len(refined)) for other in range(one)]
        return 1 - np.mean([quality_statistics(refined[a], refined[b])[:, 1] for a, b in pairs], axis=0)

    def draw(self, number: int) -> dict[str, float]:
        """One draw: iou_micro on held-out images of each way to choose, and how many bad masks the choice finds."""
        rng = np.random.default_rng(number)
        shuffled = rng.permutation(len(self.rows))
        labelled, others, held_out = np.split(shuffled, [LABELLED, POOL])
        first = self.fitted(labelled, number)
        refined = self.refined(first, others)
        room = 1 - quality_statistics(self.base[others], refined)[:, 0]
        chosen = {
            "suggested": pick(room, self.thumbnails[others], ADDED).rows,
            "disagreement": pick(self.disagreement(first, others), self.thumbnails[others], ADDED).rows,
        }
        worst = np.argsort(true_iou(refined, self.masks[others]))[: -(-len(others) // 10)]
        found = {f"worst_found_by_{name}": float(np.isin(worst, rows).mean()) for name, rows in chosen.items()}
        chosen |= {f"random_{choice}": rng.permutation(len(others))[:ADDED] for choice in range(CHOICES)}
        found |= {"base": self.iou_micro(self.base[held_out], held_out)}
        found |= {"before": self.iou_micro(self.refined(first, held_out), held_out)}
        for name, rows in chosen.items():
            network = self.fitted(np.concatenate([labelled, others[rows]]), number)
            found[name] = self.iou_micro(self.refined(network, held_out), held_out)
        found["random"] = float(np.mean([found.pop(f"random_{choice}") for choice in range(CHOICES)]))
        return found


def summary(draws: list[dict[str, float]]) -> dict[str, Any]:
    """Means over draws, and paired differences in points of iou_micro with their 95 % interval (Student's t)."""
    names = list(draws[0])
    means = {name: float(np.mean([one[name] for one in draws])) for name in names}
    pairs = {
        f"{one}_vs_{other}": _paired([100 * (found[one] - found[other]) for found in draws])
        for one, other in (("suggested", "random"), ("disagreement", "random"), ("random", "before"))
    }
    return {"means": means, "points": pairs, "draws": draws}


def _paired(differences: list[float]) -> dict[str, Any]:
    mean, count = float(np.mean(differences)), len(differences)
    reach = float(students_t.ppf(0.975, count - 1) * np.std(differences, ddof=1) / count**0.5)
    return {"mean": mean, "ci95": [mean - reach, mean + reach], "draws_better": sum(one > 0 for one in differences)}


def main() -> None:
    """Simulate what is missing in `FOUND`, then draw the figure."""
    found: dict[str, Mapping[str, Any]] = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    for base_model in BASE_MODELS:
        if base_model in found:
            continue
        if not maps_folder(DATASET, base_model, SEED).exists() and not kedro(SHARED, DATASET, base_model, SEED):
            raise SystemExit(f"no maps of {base_model}: see `make strong-models`")
        simulation, draws = Simulation(base_model), []
        for number in range(DRAWS):
            draws.append(simulation.draw(number))
            print(base_model, number, {name: round(value, 4) for name, value in draws[-1].items()}, flush=True)
        found[base_model] = summary(draws)
        FOUND.write_text(json.dumps(found, indent=2) + "\n")
        print(base_model, found[base_model]["points"], flush=True)
    FIGURE.write_bytes(draw(found))
    print(FIGURE)


if __name__ == "__main__":
    main()
