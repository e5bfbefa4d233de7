"""A small but complete run to report on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.metrics.map_statistics import MapStatistics, MapStatisticsCounter
from prn_pipeline.reporting.browse import small_pictures
from prn_pipeline.reporting.dataset.samples import ShownSample
from prn_pipeline.reporting.inputs import GalleryRow, Report, ReportInputs, SmallPictures
from prn_pipeline.reporting.report import render_report

NASTY_ID = '<b>&"x'
RUN = {"dataset": "kvasir_seg", "base_model": "unet_resnet18", "refiner": "prn", "seed": 0}


def method(iou: float, mae: float) -> dict[str, Any]:
    return {
        "iou_micro": iou,
        "iou_macro": iou - 0.031,
        "dice": iou + 0.117,
        "precision": iou + 0.083,
        "recall": iou + 0.054,
        "boundary_iou": iou - 0.2,
        "mae": mae,
        "iou_micro_ci95": [iou - 0.02, iou + 0.02],
    }


def scores(gain: float, ci95: list[float] | None) -> dict[str, Any]:
    """Scores JSON with this gain over the best method that needs no training, one tuned threshold."""
    return {
        **RUN,
        "n_test": 40,
        "resolution": "model",
        "methods": {
            "patch_oracle": method(0.8214, 0.02),
            "base": method(0.7008, 0.091),
            "tuned_threshold": method(0.7031, 0.0905),
            "rankseg": method(0.6993, 0.0923),
            "refined": method(0.7031 + gain, 0.0877),
        },
        "gain": {
            "vs_base": {"iou_micro": 0.0112, "ci95": [0.0041, 0.0189], "p": 0.0004},
            "vs_tuned_threshold": {"iou_micro": gain, "ci95": ci95, "p": 0.021},
            "vs_rankseg": {"iou_micro": 0.0127, "ci95": [0.004, 0.02], "p": None},
            "vs_best_free": {"method": "tuned_threshold", "iou_micro": gain, "ci95": ci95, "p": 0.021},
            "images_worse_pct": 22.5,
        },
        "seconds": {"ingestion": 3.0, "base_training": 200.0, "prn_training": None},
    }


def gallery_row(kind: str, sample_id: str, size: int = 32, seed: int = 0) -> GalleryRow:
    rng = np.random.default_rng(seed)
    probability = rng.random((size, size)).astype(np.float32)
    mask = (rng.random((size, size)) > 0.5).astype(np.uint8)
    mask[:4] = 255
    return GalleryRow(
        sample_id=sample_id,
        kind=kind,  # type: ignore[arg-type]
        image=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        base_probability=probability,
        base_mask=probability > 0.5,
        refined_probability=probability,
        refined_mask=(probability > 0.4).astype(np.uint8),
        mask=mask,
        iou_base=0.5,
        iou_refined=0.6237,
    )


def summary() -> dict[str, Any]:
    """Of a data set with something to say in every row."""
    shares = {"mean": 0.1234, "low": 0.0, "high": 0.5}
    one = {"images": 1200, "groups": 3, "foreground": shares, "without_foreground": 7}
    none = {"mean": None, "low": None, "high": None}
    values = [{"value": 0, "files": 1400, "example": "a.png"}, {"value": 255, "files": 1399, "example": "a.png"}]
    return {
        "schema": 1,
        "dataset": "kvasir_seg",
        "samples": 1400,
        "files": {
            "found": {"images": 1403, "masks": 1410},
            "used": {"images": 1400, "masks": 1410},
            "left_out": [{"kind": "images", "reason": "in no split", "count": 3, "examples": [NASTY_ID, "b", "c"]}],
        },
        "images": {
            "sizes": [[480, 640, 1000], [600, 800, 400]],
            "distinct_sizes": 2,
            "smallest": [480, 640],
            "largest": [600, 800],
            "kinds": {"8-bit RGB": 1390, "16-bit grey": 10},
            "low": 0,
            "high": 4095,
            "turned": 4,
        },
        "masks": {"values": values, "distinct_values": 2, "low": 0, "high": 255, "turned": 0},
        "splits": {"train": one, "val": {**one, "foreground": none}, "test": one},
        "groups": {"given": True, "count": 9, "smallest": 1, "largest": 800, "name_of_largest": "seq1"},
        "duplicates": {
            "identical_images": 2,
            "near_across_splits": 6,
            "near_pairs": 5,
            "examples": [["a", "train", "b", "test", 0.9981]],
        },
        "video": True,
    }


def shown_sample(sample_id: str, split: str) -> ShownSample:
    pixels = np.full((20, 30, 3), 90, np.uint8)
    return ShownSample(sample_id, split, 0.25, pixels, pixels)


def history(epochs: int) -> pd.DataFrame:
    epoch = np.arange(epochs)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 1 / (epoch + 1),
            "val_loss": 1.2 / (epoch + 1),
            "val_iou_micro": 0.7 - 0.3 / (epoch + 1),
            "learning_rate": 8e-4,
            "seconds": 2.0,
        }
    )


def map_statistics(noise: float) -> MapStatistics:
    """Of one image of noise whose upper left patch is ignored."""
    rng = np.random.default_rng(5)
    mask = (rng.random((32, 32)) > 0.5).astype(np.uint8)
    counter = MapStatisticsCounter(8)
    mask[:8, :8] = 255
    probabilities = np.clip((mask == 1) + rng.normal(0, noise, mask.shape), 0, 1)
    counter.add(probabilities, mask, probabilities > 0.5)
    return counter.result()


def small(sample_id: str, iou_base: float, iou_refined: float) -> SmallPictures:
    pixels = np.zeros((20, 30), np.uint8)
    image = np.full((20, 30, 3), 90, np.uint8)
    return small_pictures(sample_id, image, pixels, pixels, pixels, (iou_base, iou_refined))


@pytest.fixture(scope="session")
def full_inputs() -> ReportInputs:
    rng = np.random.default_rng(3)
    base = rng.random(40)
    return ReportInputs(
        run=RUN,
        scores=scores(0.0089, [0.001, 0.0171]),
        history={"base_training": history(6), "prn_training": history(1)},
        thresholds=(rng.integers(1, 21, (12, 4, 4)) * 0.05).astype(np.float32),
        maps={"base": map_statistics(0.3), "refined": map_statistics(0.1)},
        per_image=pd.DataFrame({"sample_id": range(40), "iou_base": base, "iou_refined": base**0.9}),
        gallery=[gallery_row("worst", "kind-c"), gallery_row("best", NASTY_ID), gallery_row("median", "kind-b")],
        parameters={"prn_training": {"optimizer": {"lr": 8e-4}, "resume": None}, "note": NASTY_ID},
        by_gain=[small("kind-f", 0.5, 0.8), small(NASTY_ID, 0.5, 0.4)],
        provenance={"made": "2026-01-02 03:04 UTC", "machine": "a machine", "git_commit": "3f2a91c", "data": NASTY_ID},
        dataset=summary(),
        samples=[shown_sample("kind-d", "train"), shown_sample("kind-e", "test")],
    )


@pytest.fixture(scope="session")
def full_report(full_inputs: ReportInputs) -> Report:
    return render_report(full_inputs)


@pytest.fixture
def changed(full_inputs: ReportInputs) -> Callable[..., ReportInputs]:
    """The full inputs with some fields replaced."""
    return lambda **fields: dataclasses.replace(full_inputs, **fields)


@pytest.fixture
def make_scores() -> Callable[..., dict[str, Any]]:
    return scores


@pytest.fixture
def make_row() -> Callable[..., GalleryRow]:
    return gallery_row


@pytest.fixture
def nasty_id() -> str:
    return NASTY_ID
