"""A shell in a small project, of a reader who has images, masks and maps in ~/data."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from benchmarks.small_project import copy_project, make_small, merged
from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.synthetic.scene import draw_scene
from prn_pipeline.refinement import PatchRefineNet, to_published
from tests.unit.serving.conftest import random_predictor

#: What the reader's runs take beside `small_project.SMALL`.
SMALLER = {
    "evaluation": {"resamples": 100},
    "refiners": {"trees": {"trees": 5, "depth": 2, "members": 2, "pixels": 1000}},
    "logit_caching": {"keep": ["tta"], "tta_scales": []},
}
#: In the pages.
PORT = "127.0.0.1:5000"


class SmallShell:
    """Runs commands in a project below `folder`, each of them once.

    Args:
        folder: an empty folder, which becomes the reader's home.
        path: where commands are found.
    """

    def __init__(self, folder: Path, path: str) -> None:
        self._path = path
        self.home, self.project = folder, make_small(copy_project(folder / "project"))
        for file in (self.project / "conf" / "base").glob("parameters_*.yml"):
            settings = yaml.safe_load(file.read_text())
            chosen = {section: SMALLER[section] for section in settings if section in SMALLER}
            file.write_text(yaml.safe_dump(merged(settings, chosen)))
        self._write_data(folder / "data" / "my_roads")
        self._done: dict[str, subprocess.CompletedProcess[str]] = {}

    def _write_data(self, folder: Path) -> None:
        """24 drawn scenes with masks and maps, photos, and what the blocks of Python read."""
        for place in ("images", "masks", "maps"):
            (folder / place).mkdir(parents=True)
        for place in ("photos", "maps"):
            (self.project / place).mkdir()
        draw = np.random.default_rng(0)
        for number in range(24):
            image, mask = draw_scene(number, SyntheticSettings(size=64, seed=3))
            Image.fromarray(image).save(folder / "images" / f"road_{number:02}.png")
            Image.fromarray(255 * mask).save(folder / "masks" / f"road_{number:02}.png")
            logits = 3.0 * mask - 1.5 + np.linspace(-2, 2, 64)[:, None] + draw.normal(0, 0.7, mask.shape)
            np.save(folder / "maps" / f"road_{number:02}.npy", (1 / (1 + np.exp(-logits))).astype(np.float32))
            if number < 2:
                Image.fromarray(image).save(self.project / "photos" / f"{number}.png")
        Image.fromarray(image).save(self.project / "photo.png")
        random_predictor().save(self.project / "predictor")
        torch.save(to_published(PatchRefineNet()), self.project / "weights.th")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Exit code and output of a command; those of its first call if it is repeated."""
        if command not in self._done:
            environment = os.environ | {
                "HOME": str(self.home),
                "PATH": self._path,
                "PRN_DATA_ROOT": str(self.home / "data"),
                "PYTHONWARNINGS": "ignore",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "DO_NOT_TRACK": "1",
            }
            self._done[command] = subprocess.run(
                ["bash", "-c", command],
                cwd=self.project,
                check=False,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return self._done[command]
