"""Images of two shapes keep their aspect, from ingestion to the served predictor."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from prn_pipeline.data.canvas import Canvas
from prn_pipeline.data.resizing import stretch
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.serving.predictor import Predictor
from tests.integration.conftest import run_pipelines

EASY = {"comparison": {"smallest_slice": 4, "smallest_test": 4}}
CANVAS = Canvas(64, 96, True)


def draw_roads(folder: Path, count: int) -> None:
    """Bright squares on noise, in wide and in tall images."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        shape = (80, 120) if number % 2 else (128, 80)
        mask = np.zeros(shape, bool)
        top, left = rng.integers(5, 35, 2)
        mask[top : top + 40, left : left + 40] = True
        image = rng.integers(0, 120, (*shape, 3)) + 120 * mask[..., None]
        Image.fromarray(image.astype(np.uint8)).save(folder / f"images/{number:02d}.png")
        Image.fromarray(mask).save(folder / f"masks/{number:02d}.png")


def test_a_run_measures_and_serves_images_without_their_padding(project: Path) -> None:
    raw = project / "data/01_raw/roads"
    draw_roads(raw, 18)
    split = {"method": "ratio", "val": 0.3, "test": 0.3}
    roads = {"image_size": list(CANVAS.shape), "folds": 3, "split": split}
    run_pipelines(project, ["__default__", "promotion"], dataset="roads", datasets={"roads": roads}, promotion=EASY)

    manifest = pd.read_parquet(project / "data/02_intermediate/roads/manifest.parquet")
    test = manifest[manifest["split"] == "test"].reset_index(drop=True)
    (place,) = (project / "data/07_model_output/roads").rglob("refined.zarr")
    refined = ArrayStore(place)
    served = Predictor.load("models:/roads/1")
    assert served.settings.canvas == CANVAS
    hits = union = 0
    for row, sample in test.iterrows():
        native = int(sample["native_height"]), int(sample["native_width"])
        stored = CANVAS.region(native).of(refined.read("logits", [row]))[0].astype(np.float32)
        (found,) = served.predict(raw / f"images/{sample['sample_id']}.png")
        assert found.mask.shape == native
        assert np.mean((stretch(stored, native) > 0) != (found.mask == 1)) < 0.01
        truth = np.asarray(Image.open(raw / f"masks/{sample['sample_id']}.png"))
        small = np.asarray(Image.fromarray(truth).convert("L").resize(stored.shape[::-1], Image.Resampling.NEAREST)) > 0
        hits, union = hits + ((stored > 0) & small).sum(), union + ((stored > 0) | small).sum()
    (scores,) = (project / "metrics/roads").rglob("seed-*.json")
    measured = json.loads(scores.read_text())["methods"]["refined"]["iou_micro"]
    assert abs(measured - hits / union) < 1e-6
