"""Every number of the scores JSON, from the measured counts by other means."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import Tuned
from prn_pipeline.metrics.bootstrap import interval, paired_gain
from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.metrics.scores import iou, mean_iou, scores, wrong_pixels
from prn_pipeline.stages.evaluation.measuring import measure
from prn_pipeline.stages.evaluation.scoring import counts_of, groups_of, per_image, present, score_methods
from tests.unit.stages.class_samples import C, class_samples, refined_store

TUNED = Tuned({"base": [0.5, 0.4, 0.6], "tta": [0.3, 0.5, 0.7]}, patch_size=8)


@pytest.fixture
def measured(tmp_path: Path) -> pd.DataFrame:
    samples = class_samples(tmp_path)
    return measure(samples, refined_store(samples, tmp_path), samples.rows(["test"]), TUNED)


def counts(measured: pd.DataFrame, method: str) -> np.ndarray:
    return measured.loc[measured["method"] == method, list(COLUMNS)].to_numpy().reshape(-1, C, len(COLUMNS))


class Extra:
    """A metric of a task; `asked` has what it was given."""

    asked: tuple[Any, ...] = ()

    def scores(self, resamples: int, seed: int, groups: Any = None) -> dict[str, dict[str, Any]]:
        self.asked = resamples, seed, None if groups is None else list(groups)
        return {name: {"extra": f"of {name}"} for name in table.names()}


def test_scores_of_a_method_have_intervals_gains_and_thresholds_of_their_own(measured: pd.DataFrame) -> None:
    extra: Any = Extra()
    found = score_methods(measured, TUNED, 60, 5, [extra])
    groups = np.array(["group-2", "group-2", "group-3", "group-3"])
    assert extra.asked == (60, 5, groups.tolist())
    assert groups_of(measured, "base") is not None
    assert list(groups_of(measured, "base")) == groups.tolist()  # type: ignore[arg-type]
    assert list(found["methods"]) == present(measured) == table.in_order(set(measured["method"]))
    base = counts(measured, "base")
    for method, entry in found["methods"].items():
        own = counts(measured, method)
        assert (counts_of(measured, method) == own).all()
        errors = measured.loc[measured["method"] == method, "mae"].to_numpy()
        threshold = {"tuned_threshold": {"threshold": [0.5, 0.4, 0.6]}, "tta_tuned": {"threshold": [0.3, 0.5, 0.7]}}
        expected = scores(own, errors) | {
            "iou_micro_ci95": interval(own, 60, 5, groups),
            "vs_base": paired_gain(own, base, 60, 5, groups),
            "images_worse_pct": 100 * float((mean_iou(own) < mean_iou(base)).mean()),
            "extra": f"of {method}",
        }
        assert {**entry, "boundary_iou": None} == {**expected, **threshold.get(method, {}), "boundary_iou": None}
    assert {key: found[key] for key in ("n_test", "n_independent", "video")} == {
        "n_test": 4,
        "n_independent": 2,
        "video": False,
    }
    assert set(found) == {"n_test", "n_independent", "video", "boundary_band_share", "methods", "gain"}


def test_the_refiner_is_compared_with_every_method_that_needs_no_training(measured: pd.DataFrame) -> None:
    found = score_methods(measured, TUNED, 60, 5)
    groups = np.array(["group-2", "group-2", "group-3", "group-3"])
    free = [name for name in table.names("base", "baseline") if name in set(measured["method"])]
    best = max(free, key=lambda name: found["methods"][name]["iou_micro"])
    refined = counts(measured, "refined")
    gains = {
        f"vs_{name}": {
            **paired_gain(refined, counts(measured, name), 60, 5, groups),
            "wrong_pixels": wrong_pixels(refined) - wrong_pixels(counts(measured, name)),
        }
        for name in free
    }
    assert found["gain"] == gains | {
        "vs_best_free": {"method": best, **gains[f"vs_{best}"]},
        "images_worse_pct": found["methods"]["refined"]["images_worse_pct"],
    }
    assert {"vs_base", "vs_tuned_threshold", "vs_tta", "vs_tta_tuned"} <= set(gains)


def test_a_threshold_of_foreground_is_a_number(measured: pd.DataFrame) -> None:
    first = measured[measured["class_id"] == 0].drop(columns="class_id")
    found = score_methods(first, Tuned({"base": [0.3], "tta": [0.7]}, 8), 20, 0)["methods"]
    assert (found["tuned_threshold"]["threshold"], found["tta_tuned"]["threshold"]) == (0.3, 0.7)
    assert [name for name, entry in found.items() if "threshold" in entry] == ["tuned_threshold", "tta_tuned"]


def test_without_groups_every_image_is_independent(measured: pd.DataFrame) -> None:
    alone = measured.drop(columns="group")
    assert groups_of(alone, "base") is None
    assert score_methods(alone, TUNED, 20, 0)["n_independent"] == 4


def test_the_table_of_images_has_a_row_for_each_class_that_is_there(measured: pd.DataFrame) -> None:
    absent = (measured["class_id"] == 2) & (measured["sample_id"] == "image-5")
    gone = [COLUMNS.index("true_positives"), COLUMNS.index("false_negatives")]
    measured.loc[absent, [COLUMNS[column] for column in gone]] = 0
    found = per_image(measured)
    methods = present(measured)
    assert list(found) == ["row", "sample_id", "class_id", *(f"iou_{name}" for name in methods), "gain"]
    base = measured[measured["method"] == "base"].reset_index(drop=True)
    kept = base.index[~((base["class_id"] == 2) & (base["sample_id"] == "image-5"))]
    assert found.index.tolist() == list(range(len(kept)))
    assert found[["row", "sample_id", "class_id"]].to_numpy().tolist() == (
        base.loc[kept, ["row", "sample_id", "class_id"]].to_numpy().tolist()
    )
    for method in methods:
        of_method = measured.loc[measured["method"] == method, list(COLUMNS)].to_numpy()[kept]
        np.testing.assert_array_equal(found[f"iou_{method}"], iou(of_method))
    np.testing.assert_array_equal(found["gain"], found["iou_refined"] - found["iou_base"])
    whole = per_image(measured.drop(columns="class_id"))
    assert len(whole) == len(base), "foreground may be absent from an image"
