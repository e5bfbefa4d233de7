"""Every task runs through the same pipelines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from PIL import Image
from scipy.special import expit

from prn_pipeline.data.store.array_store import ArrayStore
from tests.integration.conftest import mistake_of, run_pipelines

NAMES = ["sky", "wall", "road"]


def draw_streets(folder: Path, count: int) -> None:
    """Three horizontal bands with random borders, ids 0, 1, 2, and 9 for unlabelled pixels."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        ids = np.digitize(np.arange(64) + rng.integers(-6, 7), [22, 42])[:, None].repeat(64, 1).astype(np.uint8)
        image = np.array([[90, 140, 220], [150, 90, 60], [90, 90, 90]])[ids] + rng.normal(0, 25, (64, 64, 3))
        ids[:, :2] = 9
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / "images" / f"{number:02d}.png")
        Image.fromarray(ids).save(folder / "masks" / f"{number:02d}.png")


def test_several_classes_are_trained_refined_evaluated_and_reported(project: Path) -> None:
    draw_streets(project / "data/01_raw/streets", 18)
    streets = {"task": "multiclass", "classes": NAMES, "image_size": 64, "folds": 3, "mask": {"ignore_values": [9]}}
    streets["split"] = {"method": "ratio", "val": 0.3, "test": 0.3}
    run_pipelines(project, dataset="streets", datasets={"streets": streets}, logit_caching={"keep": ["tta"]})
    run = "streets/unet_resnet18_small/prn/seed-0"
    scores: dict[str, Any] = json.loads((project / f"metrics/{run}.json").read_text())
    manifest = pd.read_parquet(project / "data/02_intermediate/streets/manifest.parquet")
    test = np.flatnonzero(manifest["split"] == "test")
    logits = ArrayStore(project / "data/04_feature/streets/unet_resnet18_small/seed-0/logits.zarr")
    assert logits.shape("logits") == (3 * 18, 64, 64)

    maps = logits.read("logits", slice(None)).reshape(18, 3, 64, 64)
    assert np.allclose(expit(maps.astype(np.float64)).sum(1), 1, atol=0.02), "one-vs-rest logits of a softmax"
    predicted = maps[test].argmax(1)
    truth = ArrayStore(project / "data/02_intermediate/streets/samples.zarr").read("masks", test)
    expected = [
        ((predicted == k) & (truth == k)).sum() / (((predicted == k) | (truth == k)) & (truth != 255)).sum()
        for k in range(3)
    ]
    base = scores["methods"]["base"]
    assert [base["classes"][name]["iou"] for name in NAMES] == [float(value) for value in expected]
    assert base["iou_micro"] == np.mean(expected)
    of_tta = {"tta", "tta_tuned", "tta_rankseg", "tta_scales", "tta_scales_tuned"}
    assert set(scores["methods"]) == {"base", "tuned_threshold", "rankseg", "refined"} | of_tta
    assert len(scores["methods"]["tuned_threshold"]["threshold"]) == 3
    assert np.sum(base["confusion"]) == (truth != 255).sum()
    page = (project / f"data/08_reporting/{run}/report.html").read_text()
    assert "Confusion of classes" in page
    assert all(name in page for name in NAMES)


def test_images_of_five_bands_and_sixteen_bits_run_through_the_same_pipelines(project: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (project / "data/01_raw/fields" / kind).mkdir(parents=True)
    for number in range(18):
        mask = np.zeros((70, 90), np.uint8)
        top, left = rng.integers(5, 35, 2)
        mask[top : top + 30, left : left + 40] = 255
        bands = 3000 + 4000 * (mask[..., None] > 0) * (np.arange(5) == 3) + rng.normal(0, 300, (70, 90, 5))
        tifffile.imwrite(project / f"data/01_raw/fields/images/{number}.tif", bands.astype(np.uint16))
        Image.fromarray(mask).save(project / f"data/01_raw/fields/masks/{number}.png")
    fields = {"image_size": 64, "folds": 3, "bands": {"count": 5, "low": 0, "high": 10000}}
    run_pipelines(
        project, dataset="fields", datasets={"fields": fields}, evaluation={"resolution": "native", "resamples": 200}
    )
    images = ArrayStore(project / "data/02_intermediate/fields/samples.zarr")
    assert images.shape("images") == (18, 64, 64, 5)
    assert images.dtype("images") == np.uint16
    run = "fields/unet_resnet18_small/prn/seed-0"
    scores = json.loads((project / f"metrics/{run}.json").read_text())
    assert scores["resolution"] == "native"
    assert scores["methods"]["refined"]["iou_micro"] >= 0
    assert (project / f"data/08_reporting/{run}/report.html").is_file()


def draw_shapes(folder: Path, count: int) -> None:
    """One folder per category, as in FSS-1000: rings, bars, discs of one colour each, on noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for number, name in enumerate(("ring", "bar", "disc", "box", "dot", "edge")):
        (folder / name).mkdir(parents=True)
        for sample in range(1, count + 1):
            top, left = rng.integers(16, 48, 2)
            radius = np.hypot(y - top, x - left)
            ring = (radius < 15) & (radius > 7)
            inside = {"ring": ring, "bar": abs(y - top) < 6, "edge": x < left}.get(name, radius < 12)
            image = rng.normal(110, 30, (64, 64, 3)) + 90 * inside[..., None] * (np.arange(3) == number % 3)
            Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / name / f"{sample}.jpg")
            Image.fromarray((inside * 255).astype(np.uint8)).save(folder / name / f"{sample}.png")


def test_a_few_shot_model_segments_categories_that_it_has_never_seen(project: Path) -> None:
    draw_shapes(project / "data/01_raw/shapes", 5)
    shapes = {
        "task": "few_shot",
        "images": "*/*.jpg",
        "masks": "*/*.png",
        "pairing": {"by": "regex", "image": r"(.+/\d+)\.jpg", "mask": r"(.+/\d+)\.png"},
        "image_size": 64,
        "folds": 2,
        "split": {"method": "folds", "folds": 3, "test_fold": 1, "val": 0.5, "group": {"pattern": r"^(.+)_\d+$"}},
    }
    few_shot = {"encoder": "tu-mobilenetv3_small_050", "shots": 2, "width": 16}
    model = {"few_shot_resnet18": few_shot | {"training": {"epochs": 2, "steps_per_epoch": 3}}}
    run = "shapes/few_shot_resnet18/prn/seed-0"
    run_pipelines(
        project,
        dataset="shapes",
        datasets={"shapes": shapes},
        base_model="few_shot_resnet18",
        base_models=model,
        logit_caching={"keep": ["tta"]},
        refiners={"prn": {"members": 2}},
    )
    scores: dict[str, Any] = json.loads((project / f"metrics/{run}.json").read_text())
    manifest = pd.read_parquet(project / "data/02_intermediate/shapes/manifest.parquet")
    categories = {split: set(rows) for split, rows in manifest.groupby("split")["category"]}
    assert not categories["test"] & (categories["train"] | categories["val"])
    maps = pd.read_parquet(project / "data/04_feature/shapes/few_shot_resnet18/seed-0/map_manifest.parquet")
    for query, support in zip(maps["sample_id"], maps["support"], strict=True):
        ids = support.split("\t")
        assert len(ids) == 2
        assert query not in ids
        assert {sample_id.rpartition("_")[0] for sample_id in ids} == {query.rpartition("_")[0]}
    assert set(scores["methods"]["refined"]["categories"]) == categories["test"]
    assert scores["cost"]["base"]["gflop"] > 0
    page = (project / f"data/08_reporting/{run}/report.html").read_text()
    assert "mIoU of categories" in page


def test_a_base_model_that_does_not_support_the_task_is_rejected_before_any_stage_runs(project: Path) -> None:
    message = mistake_of(project, base_model="few_shot_resnet18")
    assert "needs labelled images of what to segment" in message
    assert not (project / "data/02_intermediate").exists()
