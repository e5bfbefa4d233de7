"""One stage on one generated store, in a process of its own, whose peak memory is therefore the stage's.

`python -m benchmarks.stage_case STAGE FOLDER WARM_UP_FOLDER CORES` prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.machine import use_cores
from benchmarks.stage_inputs import open_stores
from benchmarks.stored_runs import with_tta
from prn_pipeline.data.store.array_store import ArrayStream, write_arrays
from prn_pipeline.refinement.registry import build_refiner, read_settings
from prn_pipeline.segmentation.network_source import cached_maps
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.stages.evaluation.measuring import measure
from prn_pipeline.stages.evaluation.scoring import per_image, score_methods
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles

CONF = Path(__file__).parents[1] / "conf" / "base"
BASE_MODEL, REFINER = "unet_resnet18_small", "prn"


def logit_caching(folder: Path) -> None:
    """From images to logits, with random weights."""
    samples, _, maps = open_stores(folder)
    settings = BaseModelSettings(**without_training(conf("base_models")[BASE_MODEL]))
    caching = conf("logit_caching")
    models = {"base": BaseModel(settings)}
    of_tta = caching["keep"], Tiles(), None, caching["tta_scales"]
    batches = cached_maps(samples, maps, models, caching["batch_size"], *of_tta)
    write_arrays(folder / "made.zarr", ArrayStream(batches))


def pseudo_labelling(folder: Path) -> None:
    """From logits and masks to pseudo-labels."""
    samples, _, maps = open_stores(folder)
    write_arrays(folder / "made.zarr", ArrayStream(pseudo_label_batches(samples, maps, **conf("pseudo_labelling"))))


def refining(folder: Path) -> None:
    """From logits to PRN's logits, with random weights: the first half of the pipeline evaluation."""
    samples, _, _ = open_stores(folder)
    refiner = build_refiner(read_settings(with_tta(without_training(conf("refiners")[REFINER]))))
    rows, batch_size = samples.rows(["test"]), conf("evaluation")["batch_size"]
    batches = predict_logits(refiner, samples, rows, refiner.arrays, batch_size)
    write_arrays(folder / "made.zarr", ArrayStream({"logits": batch} for batch in batches))


def evaluation(folder: Path) -> None:
    """From both logits and masks to the scores of every method: the other half."""
    samples, refined, maps = open_stores(folder)
    tuned = tune(samples, maps, conf("pseudo_labelling")["patch_size"])
    measured = measure(samples, refined, samples.rows(["test"]), tuned)
    score_methods(measured, tuned, conf("evaluation")["resamples"], seed=0)
    per_image(measured)


STAGES: dict[str, Callable[[Path], None]] = {
    stage.__name__: stage for stage in (logit_caching, pseudo_labelling, refining, evaluation)
}


def timed(stage: str, folder: Path, warm_up: Path, cores: int) -> dict[str, float]:
    """Seconds of the stage, MiB of the process before it and at its peak."""
    use_cores(cores)
    torch.manual_seed(0)
    STAGES[stage](warm_up)
    before = peak_mib()
    start = time.perf_counter()
    STAGES[stage](folder)
    return {"seconds": time.perf_counter() - start, "mib_before": before, "mib_peak": peak_mib()}


def peak_mib() -> float:
    """The most memory that this process has had resident so far."""
    # Not getrusage where it can be helped: there Linux counts what the parent had at the moment of its fork.
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def conf(name: str) -> dict[str, Any]:
    """A block of the shipped parameters."""
    return yaml.safe_load((CONF / f"parameters_{name}.yml").read_text(encoding="utf-8"))[name]


def without_training(block: dict[str, Any]) -> dict[str, Any]:
    """A base model's or refiner's own settings."""
    return {key: value for key, value in block.items() if key != "training"}


if __name__ == "__main__":
    print(json.dumps(timed(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
