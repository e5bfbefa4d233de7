"""The model card says what was measured, on what, and what the predictor is not for."""

import copy
from typing import Any

import pytest

from prn_pipeline.reporting.inputs import ReportInputs
from prn_pipeline.reporting.model_card import model_card

RUN = {
    "names": {"dataset": "my_roads", "base_model": "unet", "refiner": "trees", "seed": 3},
    "dataset": {"image_size": 256, "classes": (), "task": "binary"},
}
SCORES: dict[str, Any] = {
    "dataset": "my_roads",
    "n_test": 40,
    "n_independent": 40,
    "methods": {
        "base": {"iou_micro": 0.5, "dice": 0.66, "boundary_iou": 0.4},
        "tta": {"iou_micro": 0.55, "dice": 0.7, "boundary_iou": 0.45, "iou_micro_ci95": [0.5, 0.6]},
        "refined": {"iou_micro": 0.6, "dice": 0.75, "boundary_iou": 0.5, "iou_micro_ci95": [0.55, 0.65]},
    },
    "gain": {
        "vs_base": {"iou_micro": 0.1, "ci95": [0.08, 0.12], "wrong_pixels": -90},
        "vs_tta": {"iou_micro": 0.05, "ci95": [0.02, 0.08], "wrong_pixels": -50},
        "vs_best_free": {"method": "tta", "iou_micro": 0.05, "ci95": [0.02, 0.08], "wrong_pixels": -50},
        "images_worse_pct": 12.5,
    },
}


@pytest.fixture
def summary(full_inputs: ReportInputs) -> dict[str, Any]:
    given = dict(full_inputs.dataset)
    return given | {"splits": {split: {**given["splits"]["test"], "images": 40} for split in ("train", "test")}}


def test_the_card_has_the_finding_in_the_words_of_the_report(summary: dict[str, Any]) -> None:
    card = model_card(RUN, SCORES, summary)
    assert "# trees on my_roads\n" in card
    assert "trees 0.600 vs TTA (flips) 0.550: +5.0 points [2.0, 8.0], n=40." in card
    assert "Over the base model (p > 0.5) 0.500: +10.0 points [8.0, 12.0]." in card


def test_the_table_has_base_model_best_free_method_and_refiner(summary: dict[str, Any]) -> None:
    rows = [line for line in model_card(RUN, SCORES, summary).splitlines() if line.startswith("| ")]
    assert rows[2:] == [
        "| Base model | 0.500 | 0.660 | 0.400 | – |",
        "| TTA (flips) (best free method) | 0.550 | 0.700 | 0.450 | [0.500, 0.600] |",
        "| trees | 0.600 | 0.750 | 0.500 | [0.550, 0.650] |",
    ]


def test_the_card_says_what_it_was_measured_on_and_whom_it_harms(summary: dict[str, Any]) -> None:
    card = model_card(RUN, SCORES, summary)
    assert "Measured on 40 test images of this data set alone." in card
    assert "12.5 % of the test images have a worse mask" in card
    assert "(40 train, 40 test)" in card
    assert "stretched to 256 pixels" in card
    padded = {**RUN, "dataset": {**RUN["dataset"], "image_size": {"long_side": 512}}}
    assert "keep their aspect and are padded to 512 x 512 pixels" in model_card(padded, SCORES, summary)


def test_metadata_of_model_hubs_comes_first(summary: dict[str, Any]) -> None:
    assert model_card(RUN, SCORES, summary).startswith("---\nlibrary_name: prn_pipeline\npipeline_tag: image-seg")


def test_classes_are_listed_and_cannot_break_the_page(summary: dict[str, Any]) -> None:
    run = copy.deepcopy(RUN)
    run["dataset"] |= {"classes": ("sky", "a|b <script>"), "task": "multiclass"}
    assert "one mask of 2 classes per image: sky, a\\|b &lt;script>" in model_card(run, SCORES, summary)
