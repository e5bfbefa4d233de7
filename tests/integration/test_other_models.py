"""External models use the same pipelines, as maps on disk or as an imported module."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit

from prn_pipeline.data.store.array_store import ArrayStore
from tests.integration.conftest import mistake_of, run_pipelines

TINY = {"detail_width": 4, "detail_levels": 2, "region_width": 4}
#: Maps of a model that needs no training, and of one that was trained on train.
NEW_IMAGES = {"base_model": "external", "refiner": "prn_maps", "refiners": {"prn_maps": TINY}}
EXTERNAL = NEW_IMAGES | {"base_models": {"external": {"seen": ["train"]}}}


def scores(project: Path, run: str) -> dict[str, Any]:
    return json.loads((project / "metrics" / f"synthetic_roads/{run}/seed-0.json").read_text())


def write_maps(finished: Path, folder: Path, splits: list[str]) -> None:
    """Write maps as an external script would: 16-bit pictures with the names of the images."""
    manifest = pd.read_parquet(finished / "data/02_intermediate/synthetic_roads/manifest.parquet")
    store = ArrayStore(finished / "data/04_feature/synthetic_roads/unet_resnet18_small/seed-0/logits.zarr")
    folder.mkdir(parents=True)
    for row in np.flatnonzero(manifest["split"].isin(splits)):
        probabilities = expit(store.read("logits", [row])[0].astype(np.float64))
        grey = np.rint(probabilities * 65535).astype(np.uint16)
        Image.fromarray(grey).save(folder / f"{manifest['sample_id'][row]}.png")


def test_maps_on_disk_are_refined_and_evaluated_like_those_of_a_model(finished: Path, project: Path) -> None:
    write_maps(finished, project / "data/01_raw/synthetic_roads/maps", ["val", "test"])
    run_pipelines(project, **EXTERNAL)
    ours, theirs = scores(project, "external/prn_maps"), scores(finished, "unet_resnet18_small/prn")
    assert ours["methods"]["base"]["iou_micro"] == pytest.approx(theirs["methods"]["base"]["iou_micro"], abs=1e-4)
    assert "tta" not in ours["methods"]
    assert ours["cost"]["base"] is None
    assert ours["cost"]["refiner"]["parameters"] > 0
    report = project / "data/08_reporting/synthetic_roads/external/prn_maps/seed-0/report.html"
    assert "prn_maps" in report.read_text()


def test_maps_of_a_model_from_elsewhere_need_no_train_split(finished: Path, project: Path) -> None:
    folder = project / "data/01_raw/synthetic_roads/maps"
    write_maps(finished, folder, ["train", "val", "test"])
    split = {"datasets": {"synthetic_roads": {"split": {"method": "ratio", "val": 0.5, "test": 0.5}}}}
    run_pipelines(project, **NEW_IMAGES, **split)
    manifest = pd.read_parquet(project / "data/02_intermediate/synthetic_roads/manifest.parquet")
    (maps,) = (project / "data/04_feature/synthetic_roads/external").rglob("map_manifest.parquet")
    assert sorted(manifest["split"].unique()) == ["test", "val"]
    assert not pd.read_parquet(maps)["seen_in_training"].any()
    assert scores(project, "external/prn_maps")["n_test"] == len(manifest) // 2
    assert (project / "data/08_reporting/synthetic_roads/external/prn_maps/seed-0/report.html").is_file()
    assert "'unet_resnet18_small' is trained here, but the train split" in mistake_of(project, **split)
    next(folder.glob("*.png")).unlink()
    assert re.search("1 of [0-9]+ samples in (val|test) have no map", mistake_of(project, **NEW_IMAGES, **split))


def test_options_that_need_a_network_are_rejected_for_maps_before_any_stage_runs(project: Path) -> None:
    for changes, message in (
        (
            {"refiner": "prn", "refiners": {"prn": {"inputs": ["tta"], "inputs_if_available": []}}},
            "refiner 'prn' reads tta, .*'external'.*prn_maps",
        ),
        ({"logit_caching": {"protocol": "crossfit"}}, "crossfit, which trains one base model per fold"),
    ):
        assert re.search(message, mistake_of(project, **EXTERNAL | changes))
    assert not (project / "data/02_intermediate").exists()


def test_missing_maps_leave_no_incomplete_store(finished: Path, project: Path) -> None:
    write_maps(finished, project / "data/01_raw/synthetic_roads/maps", ["val"])
    assert "4 of 4 samples in test have no map" in mistake_of(project, **EXTERNAL)
    assert not list((project / "data").rglob("logits.zarr*"))


def test_masks_that_are_given_as_maps_leave_no_store(finished: Path, project: Path) -> None:
    folder = project / "data/01_raw/synthetic_roads/maps"
    write_maps(finished, folder, ["train", "val", "test"])
    for file in folder.iterdir():
        Image.fromarray((np.asarray(Image.open(file)) > 32767).astype(np.uint8)).save(file)
    assert "only the values 0 and 1, which makes them masks" in mistake_of(project, **EXTERNAL)
    assert not list((project / "data").rglob("logits.zarr*"))


def test_an_imported_module_is_used_without_training(project: Path) -> None:
    brightness = {
        "kind": "module",
        "target": "tests.unit.segmentation.test_imported_models:Brightness",
        "options": {"form": "dict"},
        "output_key": "out",
    }
    run_pipelines(
        project, base_model="brightness", base_models={"brightness": brightness}, logit_caching={"keep": ["tta"]}
    )
    found = scores(project, "brightness/prn")
    assert found["cost"]["base"]["parameters"] == 3
    assert set(found["methods"]) >= {"base", "tta", "refined"}
