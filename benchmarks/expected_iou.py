"""`python -m benchmarks.expected_iou`: how well the IoU of single test masks is told from their maps.

Of refiners of runs that have been run. The estimate is fitted to learning maps that the refiner held out, as evaluation
does it; the test images serve once, to measure it and what it is compared with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stored_runs import DATA, open_map_manifest, open_refiner, open_samples
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.metrics.map_quality.fitting import measured
from prn_pipeline.metrics.map_quality.statistics import quality_statistics, true_iou
from prn_pipeline.refinement.protocol import LearningMaps, Refiner
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble, OneMember
from prn_pipeline.stages.evaluation.expected_iou import fit_to_held_out
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles

FOUND = Path("data/08_reporting/benchmark/expected_iou.json")
#: Runs by default: data set, base model, refiner; those of them that have been run.
RUNS = (
    ("ecssd_strong", "isnet_512", "trees"),
    ("ecssd_strong", "isnet_512", "bias_field"),
    ("ecssd_strong", "isnet_1024", "trees"),
)
BATCH, SEED = 16, 0


def measure(dataset: str, base_model: str, refiner_name: str) -> dict[str, Any]:
    """Figures of `measured` on test: of the estimate, of the soft IoU as it is, of the mean, of disagreement."""
    opened = open_samples(dataset, base_model, SEED)
    samples = map_samples(opened.manifest, opened.stores)
    refiner = open_refiner(dataset, base_model, refiner_name, SEED)
    assert isinstance(refiner, Refiner)
    fitted = fit_to_held_out(
        LearningMaps(samples, open_map_manifest(dataset, base_model, SEED)), refiner, BATCH, Tiles()
    )
    rows, by_image = samples.rows(["test"]), samples.maps_per_image
    shape = (-1, by_image, *samples.store_of("logits").shape("logits")[1:])
    base = samples.array("logits", rows).reshape(shape)
    refined = _refined(refiner, samples, rows, refiner).reshape(shape)
    ious = true_iou(refined, samples.array("masks", rows).reshape(shape))
    statistics = quality_statistics(base, refined)
    told = {
        "soft_iou_of_refined_map": statistics[:, 0],
        "soft_iou_of_base_map": quality_statistics(base, base)[:, 0],
    }
    found: dict[str, Any] = {"test_images": len(ious), "mean_iou": float(ious.mean()), "reason": fitted.reason}
    if fitted.estimate is not None:
        told = {"expected_iou": fitted.estimate.of(statistics)} | told
        found["out_of_fold"] = fitted.estimate.model_dump()
    if isinstance(refiner, FoldEnsemble):
        members = [_refined(OneMember(refiner, k), samples, rows, refiner) for k in range(len(refiner.members))]
        pairs = [(a, b) for a in range(len(members)) for b in range(a)]
        agreements = [quality_statistics(*(members[k].reshape(shape) for k in pair))[:, 1] for pair in pairs]
        told["agreement_of_members"] = np.mean(agreements, axis=0)
    found["measured"] = {name: measured(values, ious) for name, values in told.items()}
    found["measured"]["mean_of_test"] = {"error": float(np.abs(ious - ious.mean()).mean())}
    return found


def _refined(network: Any, samples: Any, rows: np.ndarray, refiner: Refiner) -> np.ndarray:
    return np.concatenate(list(predict_logits(network, samples, rows, refiner.arrays, BATCH, Tiles())))


def main(runs: Sequence[tuple[str, str, str]]) -> None:
    """Measure, print and write `FOUND`."""
    found = {}
    for names in runs:
        if not (DATA / "06_models" / Path(*names) / f"seed-{SEED}" / "refiner.json").is_file():
            print(f"{'/'.join(names)}: not run")
            continue
        found["/".join(names)] = measure(*names)
        print("/".join(names), json.dumps(found["/".join(names)], indent=2), flush=True)
    FOUND.parent.mkdir(parents=True, exist_ok=True)
    FOUND.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    given = [tuple(run.split("/")) for run in sys.argv[1:]]
    main(given or RUNS)  # type: ignore[arg-type]
