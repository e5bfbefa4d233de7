"""A run compared with its committed results."""

import math
from typing import Any

from prn_pipeline.sweep.verification import lock_differences, score_differences

SCORES: dict[str, Any] = {
    "schema": 2,
    "methods": {
        "base": {"iou_micro": 0.5, "iou_micro_ci95": [0.4, 0.6], "mae": math.nan},
        "refined": {"iou_micro": 0.7},
    },
    "gain": {"vs_base": {"iou_micro": 0.2, "ci95": [0.1, 0.3]}, "vs_best_free": {"method": "base"}},
    "cost": {"base": {"milliseconds": 3.0}},
    "seconds": {"ingestion": 1.0},
}
STAGE: dict[str, Any] = {
    "cmd": "kedro run",
    "deps": [{"path": "src/prn_pipeline/training", "md5": "a.dir"}, {"path": "data/01_raw/drive", "md5": "b.dir"}],
    "params": {"conf/base/parameters_base_training.yml": {"base_training": {"epochs": 2}}},
    "outs": [
        {"path": "data/06_models/drive/unet/seed-0/base.safetensors", "md5": "c"},
        {"path": "data/06_models/drive/unet/seed-0/base_history.csv", "md5": "d"},
        {"path": "metrics/drive/unet/prn/seed-0.json", "md5": "e"},
    ],
}


def changed(block: dict[str, Any], **values: Any) -> dict[str, Any]:
    return block | values


def test_equal_scores_have_no_differences_whatever_they_cost() -> None:
    other_machine = changed(SCORES, seconds={"ingestion": 9.0}, cost={"base": {"milliseconds": 1.0}})
    assert score_differences(SCORES, other_machine) == []


def test_every_differing_score_is_listed_by_its_key_with_the_largest_difference_first() -> None:
    methods = {"base": {"iou_micro": 0.5 + 1e-16 * 2, "iou_micro_ci95": [0.4, 0.61], "mae": 0.0}}
    found = score_differences(SCORES, changed(SCORES, methods=methods | {"refined": {}}))
    assert [one.key for one in found] == [
        "methods.base.mae",
        "methods.refined.iou_micro",
        "methods.base.iou_micro_ci95.1",
        "methods.base.iou_micro",
    ]
    assert found[1].found is None
    assert found[2].size == 0.61 - 0.6


def test_texts_are_compared_and_scores_that_were_not_measured_before_are_not() -> None:
    gain = SCORES["gain"] | {"vs_best_free": {"method": "tta"}, "vs_tta": {"iou_micro": 0.1}}
    (difference,) = score_differences(SCORES, changed(SCORES, gain=gain))
    assert (difference.key, difference.committed, difference.found) == ("gain.vs_best_free.method", "base", "tta")


def test_differences_of_a_lock_name_stage_and_dependency() -> None:
    found = changed(
        STAGE,
        deps=[{"path": "src/prn_pipeline/training", "md5": "other.dir"}, {"path": "src/new.py", "md5": "f"}],
        params={"conf/base/parameters_base_training.yml": {"base_training": {"epochs": 3}}},
        outs=[one | {"md5": "other"} for one in STAGE["outs"]],
    )
    address = "base_training@drive-unet-0"
    differences = lock_differences({address: STAGE}, {address: found}, ["ingestion@drive", address])
    assert [str(one) for one in differences] == [
        "base_training: dependency src/prn_pipeline/training (changed)",
        "base_training: dependency data/01_raw/drive (only committed)",
        "base_training: parameter base_training (changed)",
        "base_training: output data/06_models/drive/unet/seed-0/base.safetensors (changed)",
        "base_training: dependency src/new.py (not committed)",
    ], "files with times are not compared"


def test_stages_are_compared_in_order_and_equal_ones_have_no_differences() -> None:
    first, second = "ingestion@drive", "evaluation@drive-unet-prn-0"
    committed = {second: STAGE, first: STAGE}
    assert lock_differences(committed, committed, [first, second]) == []
    found = {address: changed(STAGE, cmd="kedro run --async") for address in committed}
    assert [one.stage for one in lock_differences(committed, found, [first, second])] == ["ingestion", "evaluation"]
