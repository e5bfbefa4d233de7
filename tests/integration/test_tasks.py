"""Every task goes through the same pipelines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import expit

from prn_pipeline.data.array_store import ArrayStore
from tests.integration.conftest import run_pipelines

NAMES = ["sky", "wall", "road"]


def draw_streets(folder: Path, count: int) -> None:
    """Three bands whose borders move; ids 0, 1, 2, and 9 where nobody knows."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        ids = np.digitize(np.arange(64) + rng.integers(-6, 7), [22, 42])[:, None].repeat(64, 1).astype(np.uint8)
        image = np.array([[90, 140, 220], [150, 90, 60], [90, 90, 90]])[ids] + rng.normal(0, 25, (64, 64, 3))
        ids[:, :2] = 9
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / "images" / f"{number:02d}.png")
        Image.fromarray(ids).save(folder / "masks" / f"{number:02d}.png")


def test_several_classes_are_trained_refined_measured_and_shown(project: Path) -> None:
    draw_streets(project / "data/01_raw/streets", 18)
    streets = {"task": "multiclass", "classes": NAMES, "image_size": 64, "folds": 3, "mask": {"ignore_values": [9]}}
    streets["split"] = {"method": "ratio", "val": 0.3, "test": 0.3}
    run_pipelines(project, dataset="streets", datasets={"streets": streets}, logit_caching={"keep": ["views"]})
    cell = "streets/unet_resnet18_small/prn/seed-0"
    scores: dict[str, Any] = json.loads((project / f"metrics/{cell}.json").read_text())
    manifest = pd.read_parquet(project / "data/02_intermediate/streets/manifest.parquet")
    test = np.flatnonzero(manifest["split"] == "test")
    logits = ArrayStore(project / "data/04_feature/streets/unet_resnet18_small/seed-0/logits.zarr")
    assert logits.shape("logits") == (3 * 18, 64, 64)

    maps = logits.read("logits", slice(None)).reshape(18, 3, 64, 64)
    assert np.allclose(expit(maps.astype(np.float64)).sum(1), 1, atol=0.02)  # a softmax, taken apart
    said = maps[test].argmax(1)
    truth = ArrayStore(project / "data/02_intermediate/streets/samples.zarr").read("masks", test)
    by_hand = [
        ((said == k) & (truth == k)).sum() / (((said == k) | (truth == k)) & (truth != 255)).sum() for k in range(3)
    ]
    base = scores["methods"]["base"]
    assert [base["classes"][name]["iou"] for name in NAMES] == [float(value) for value in by_hand]
    assert base["iou_micro"] == np.mean(by_hand)
    assert set(scores["methods"]) == {"base", "tuned_threshold", "rankseg", "views", "prn"}
    assert len(scores["methods"]["tuned_threshold"]["threshold"]) == 3
    assert np.sum(base["confusion"]) == (truth != 255).sum()
    page = (project / f"data/08_reporting/{cell}/report.html").read_text()
    assert "Which class is taken for which" in page
    assert all(name in page for name in NAMES)
