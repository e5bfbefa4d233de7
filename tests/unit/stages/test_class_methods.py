"""Several classes: losses, scores, the confusion matrix, and the selection of a correction."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import MapBatch, Prediction, Tuned
from prn_pipeline.data.store.logits import normalised, one_vs_rest
from prn_pipeline.metrics.confusion import confusion
from prn_pipeline.metrics.counts import COLUMNS, count_image
from prn_pipeline.metrics.scores import mean_iou, scores
from prn_pipeline.refinement.region_detail.class_correction_strength import ClassCorrectionTuner
from prn_pipeline.refinement.region_detail.correction_strength import RefinedBatch
from prn_pipeline.reporting.score_tables import class_rows
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.stages.evaluation.scoring import per_image, score_methods
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.training.task import overlaps

C = 4
RNG = np.random.default_rng(0)
SOFTMAX_LOGITS = RNG.normal(0, 2, (3, C, 16, 16)).astype(np.float32)
TRUTH = RNG.choice([0, 1, 2, 3, 255], (3, 16, 16)).astype(np.uint8)
MASKS = np.where(TRUTH[:, None] == 255, 255, TRUTH[:, None] == np.arange(C)[:, None, None]).astype(np.uint8)


def one_vs_rest_logits(logits: np.ndarray) -> np.ndarray:
    return one_vs_rest(torch.from_numpy(logits)).numpy()


def batch(logits: np.ndarray) -> MapBatch:
    rows = one_vs_rest_logits(logits).reshape(-1, 16, 16)
    return MapBatch(rows, -rows, MASKS.reshape(-1, 16, 16), None)


def class_predictions(maps: MapBatch, thresholds: list[float]) -> dict[str, Prediction]:
    return table.predictions(maps, Tuned({"base": thresholds}, patch_size=16), classes=C)


def test_the_sigmoid_of_one_vs_rest_logits_is_the_softmax() -> None:
    assert expit(one_vs_rest_logits(SOFTMAX_LOGITS)) == pytest.approx(softmax(SOFTMAX_LOGITS, 1), abs=1e-6)
    extreme = np.array([60.0, 0.0, -60.0, 1.0], np.float32).reshape(1, C, 1, 1)
    assert np.isfinite(one_vs_rest_logits(extreme)).all()
    single = torch.randn(2, 1, 3, 3)
    assert one_vs_rest(single) is single


def test_normalised_one_vs_rest_logits_are_the_softmax_of_the_base_model() -> None:
    assert normalised(one_vs_rest_logits(SOFTMAX_LOGITS)) == pytest.approx(softmax(SOFTMAX_LOGITS, 1), abs=1e-6)


def plain_miou(predicted: np.ndarray, truth: np.ndarray) -> float:
    valid = truth != 255
    ious = []
    for class_id in range(C):
        a, b = (predicted == class_id) & valid, (truth == class_id) & valid
        if (a | b).any():
            ious.append((a & b).sum() / (a | b).sum())
    return float(np.mean(ious))


def test_iou_micro_is_the_mean_over_classes() -> None:
    predicted = SOFTMAX_LOGITS.argmax(1)
    counts = np.array(
        [[count_image(predicted[i] == k, mask) for k, mask in enumerate(MASKS[i])] for i in range(len(predicted))]
    )
    found = scores(counts, np.zeros((3, C)))
    assert found["iou_micro"] == pytest.approx(plain_miou(predicted, TRUTH))
    assert found["iou_macro"] == pytest.approx(
        np.mean([plain_miou(s, t) for s, t in zip(predicted, TRUTH, strict=True)])
    )
    assert found["pixel_accuracy"] == pytest.approx((predicted == TRUTH)[TRUTH != 255].mean())
    absent = np.where(np.arange(C)[:, None] == 2, 0, counts)  # class 2 is neither present nor predicted
    assert mean_iou(absent.sum(0)) == pytest.approx(np.mean([mean_iou(counts.sum(0)[[k]]) for k in (0, 1, 3)]))


def test_class_scores_agree_with_the_confusion_matrix() -> None:
    task = task_metrics("multiclass", list("abcd"))
    predicted = class_predictions(batch(SOFTMAX_LOGITS), [0.5] * C)
    task[0].update(predicted, MASKS.reshape(-1, 16, 16))
    found: dict[str, Any] = task[0].scores(100, 0)["base"]
    matrix = np.array(found["confusion"])
    highest = SOFTMAX_LOGITS.argmax(1)
    assert matrix.sum() == (TRUTH != 255).sum()
    assert matrix[1, 2] == ((TRUTH == 1) & (highest == 2)).sum()
    for number, name in enumerate("abcd"):
        union = matrix[number].sum() + matrix[:, number].sum() - matrix[number, number]
        assert found["classes"][name]["iou"] == pytest.approx(matrix[number, number] / union)
        assert found["classes"][name]["vs_base"]["iou_micro"] == 0


def test_scores_are_over_images_and_per_image_rows_are_per_class() -> None:
    predicted = {"base": SOFTMAX_LOGITS.argmax(1), "refined": np.where(TRUTH == 255, 0, TRUTH)}
    rows = [
        {"row": i * C + k, "sample_id": f"s{i}", "class_id": k, "method": method, "mae": 0.0, "truth_outline": 0}
        | dict(zip(COLUMNS, count_image(ids[i] == k, MASKS[i, k]), strict=True))
        for i in range(3)
        for k in range(C)
        for method, ids in predicted.items()
    ]
    measured = pd.DataFrame(rows)
    scored = score_methods(measured, Tuned({"base": [0.5] * C}, 16), 100, 0)
    assert scored["n_test"] == 3
    assert scored["methods"]["refined"]["iou_micro"] == 1
    assert scored["gain"]["vs_base"]["iou_micro"] == pytest.approx(1 - plain_miou(predicted["base"], TRUTH))
    assert scored["gain"]["images_worse_pct"] == 0
    assert set(per_image(measured)["row"]) == set(range(3 * C))


def test_the_confusion_matrix_ignores_pixels_without_a_class() -> None:
    truth = np.zeros((1, 2, 1, 3), bool)
    truth[0, 0, 0, 0] = truth[0, 1, 0, 1] = True  # the third pixel has no class
    predicted = np.zeros_like(truth)
    predicted[0, 1] = True
    assert confusion(truth, predicted).tolist() == [[0, 1], [0, 1]]


def test_the_selected_correction_has_the_best_mean_iou_over_classes() -> None:
    base = torch.from_numpy(one_vs_rest_logits(SOFTMAX_LOGITS).reshape(-1, 1, 16, 16))
    masks = torch.from_numpy(MASKS.reshape(-1, 16, 16))
    right = torch.where(masks == 1, 9.0, -9.0).unsqueeze(1)
    good, bad = ClassCorrectionTuner(C), ClassCorrectionTuner(C)
    good.update(RefinedBatch(base, base, right, masks))
    bad.update(RefinedBatch(base, base, -right, masks))
    found = good.best()
    assert found.base_iou == pytest.approx(plain_miou(SOFTMAX_LOGITS.argmax(1), TRUTH))
    assert found.refined_iou == 1
    assert found.correction.strength > 0
    assert bad.best().correction.changes_nothing


@pytest.mark.parametrize("loss", ["bce", "dice", "bce_dice", "jaccard", "bce_jaccard", "focal", "lovasz", "tversky"])
def test_every_loss_is_low_for_the_truth_and_does_not_depend_on_ignored_pixels(loss: Any) -> None:
    objective = MaskObjective(loss, classes=C)
    truth = torch.from_numpy(TRUTH)
    right = torch.from_numpy(MASKS == 1).float() * 8

    def value(logits: torch.Tensor) -> float:
        return float(objective(lambda _: logits, {"inputs": logits, "masks": truth})[0])  # type: ignore[arg-type]

    random = torch.from_numpy(SOFTMAX_LOGITS)
    assert value(right) < 0.2 * value(random) + 0.05
    changed = random + 5 * torch.randn(random.shape) * (truth == 255).unsqueeze(1)
    assert value(changed) == pytest.approx(value(random), rel=1e-4)


def test_a_false_pixel_of_an_absent_class_does_not_prevent_a_correction() -> None:
    truth = torch.from_numpy(MASKS.copy())
    truth[:, 0] |= truth[:, 3] & 1  # the last class is absent
    truth[:, 3] = torch.where(truth[:, 3] == 255, 255, 0).to(truth.dtype)
    base = torch.from_numpy(one_vs_rest_logits(SOFTMAX_LOGITS)).clone()
    base[:, 3] = -9
    refined = torch.where(truth == 1, 9.0, -9.0)
    refined[0, 3, 0, 0] = 99
    tuner = ClassCorrectionTuner(C)
    flat = [maps.reshape(-1, 1, 16, 16).float() for maps in (base, base, refined)]
    tuner.update(RefinedBatch(*flat, truth.reshape(-1, 16, 16)))
    assert tuner.best().correction.strength > 0


def test_a_class_that_is_absent_from_all_test_images_has_no_scores() -> None:
    masks = np.where(np.arange(C)[None, :, None, None] == 3, np.where(MASKS == 255, 255, 0), MASKS).astype(np.uint8)
    masks[:, 0] |= (MASKS[:, 3] == 1).astype(np.uint8)
    (task,) = task_metrics("multiclass", list("abcd"))
    task.update(class_predictions(batch(SOFTMAX_LOGITS), [0.5] * C), masks.reshape(-1, 16, 16))
    found: dict[str, Any] = task.scores(100, 0)["refined"]["classes"]
    assert found["d"] == {}
    assert found["a"]["iou"] > 0
    methods = {name: {"classes": found} for name in ("base", "refined")}
    assert [row.label for row in class_rows({"refiner": "prn"}, methods)] == ["a", "b", "c"]


def test_validation_overlaps_are_counted_per_class() -> None:
    found = overlaps(torch.from_numpy(SOFTMAX_LOGITS), torch.from_numpy(TRUTH))
    predicted = SOFTMAX_LOGITS.argmax(1)
    for class_id in range(C):
        assert found[0, class_id] == ((predicted == class_id) & (class_id == TRUTH)).sum()
        assert found[2, class_id] == (class_id == TRUTH).sum()
    assert (found[0] / found[1]).mean() == pytest.approx(plain_miou(predicted, TRUTH))
