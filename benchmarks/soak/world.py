"""What is attacked: a predictor with images, and a small project; and what both give when nobody disturbs them."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.small_project import copy_project, make_small
from benchmarks.soak.children import Command, Ended, call

RUN = "synthetic_roads/unet_resnet18_small/prn/seed-0"
SCORES = Path("metrics") / f"{RUN}.json"
#: Keys of scores that differ between runs: times, memory, and the checksum of all.
VARYING = ("seconds", "cost", "memory_mib", "checksum", "under_load")
STAGES = ("ingestion", "base_training", "logit_caching", "pseudo_labelling", "prn_training", "evaluation", "reporting")


class World:
    """Made once, when an attack needs it first; attacks work on copies.

    Args:
        folder: where all of it lies.
        images: number of images to refine.
    """

    def __init__(self, folder: Path, images: int = 24) -> None:
        self.folder, self._count = folder, images
        #: Seconds of undisturbed commands, to kill within them.
        self.seconds: dict[str, float] = {}

    @cached_property
    def predictor(self) -> Path:
        """Folder of a predictor with random weights."""
        call(_save_predictor, self.folder / "predictor", seconds=120)
        return self.folder / "predictor"

    @cached_property
    def images(self) -> Path:
        """Folder of images of several sizes."""
        folder = self.folder / "images"
        folder.mkdir()
        draw = np.random.default_rng(0)
        for number in range(self._count):
            height, width = draw.integers(30, 90, 2)
            Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{number:02d}.png")
        return folder

    @cached_property
    def refined(self) -> dict[str, bytes]:
        """Results of `prn refine` by their path below the folder of results."""
        ended = self.run("refine", self.refine_command(out := self.folder / "refined"), self.folder)
        assert ended.code == 0, ended.output
        return results_below(out)

    @cached_property
    def project(self) -> Path:
        """The small project before its first run."""
        return make_small(copy_project(self.folder / "project"))

    @cached_property
    def finished(self) -> Path:
        """The same after `dvc repro`."""
        folder = self.copy(self.project, self.folder / "finished")
        ended = self.run("dvc", ["dvc", "repro"], folder)
        assert ended.code == 0, ended.output
        shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)  # or DVC restores what it should make
        return folder

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Scores of the finished project."""
        return scores_of(self.finished)

    def refine_command(self, out: Path) -> list[str]:
        """`prn refine` of all images into a folder."""
        return ["prn", "refine", str(self.images), "--model", str(self.predictor), "--out", str(out), "--probabilities"]

    def run(self, name: str, command: Sequence[str], folder: Path, variables: Mapping[str, str] = {}) -> Ended:
        """Run a command undisturbed, and keep how long it took."""
        start = time.monotonic()
        ended = Command(command, folder, self.folder / "log" / f"{name}.txt", variables).wait()
        self.seconds[name] = time.monotonic() - start
        return ended

    @staticmethod
    def copy(project: Path, folder: Path) -> Path:
        """A copy of a project."""
        shutil.copytree(project, folder, symlinks=True)
        return folder

    def unfinished(self, folder: Path, draw: random.Random) -> list[str]:
        """A copy of the finished project in `folder` that lacks its last stages, one to three of them; their names."""
        self.copy(self.finished, folder)
        gone = list(STAGES[-draw.randint(1, 3) :])
        call(_forget, folder, gone)
        return gone


def scores_of(project: Path) -> dict[str, Any]:
    """Scores of the project's run, without what differs between runs; empty if there are none."""
    file = project / SCORES
    if not file.is_file():
        return {}
    return {key: value for key, value in json.loads(file.read_text()).items() if key not in VARYING}


def results_below(out: Path) -> dict[str, bytes]:
    """Files below a folder of results, but for the journal, whose lines may be in any order."""
    files = (file for file in out.rglob("*") if file.is_file() and file.name != ".refined.jsonl")
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(files)}


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on a disk in memory."""
    return sum(4096 + -(-one.lstat().st_size // 4096) * 4096 for one in [folder, *folder.rglob("*")] if one.exists())


def _save_predictor(folder: Path) -> None:
    import torch
    from torch import nn

    from benchmarks.stored_artefacts import SMALL
    from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
    from prn_pipeline.segmentation.settings import BaseModelSettings
    from prn_pipeline.segmentation.smp_model import BaseModel
    from prn_pipeline.serving.predictor import Predictor
    from prn_pipeline.serving.settings import PredictorSettings

    torch.manual_seed(0)
    refiner = FoldEnsemble(SMALL.model_copy(update={"inputs": ("tta", "images")})).eval()
    for parameter in refiner.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    settings = BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", encoder_weights=None)
    # An image alone gives other last digits than among others, and a call that continues has other batches.
    of_predictor = PredictorSettings(image_size=64, batch_size=1)
    Predictor(BaseModel(settings).eval(), refiner, of_predictor).save(folder)


def _forget(project: Path, stages: list[str]) -> None:
    """Remove the outputs of stages, and what dvc.lock records of them."""
    import yaml

    lock = project / "dvc.lock"
    recorded = yaml.safe_load(lock.read_text())
    for address in [one for one in recorded["stages"] if one.partition("@")[0] in stages]:
        for out in recorded["stages"].pop(address)["outs"]:
            path = project / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    lock.write_text(yaml.safe_dump(recorded))
