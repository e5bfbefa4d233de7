"""The guard judges each member of an ensemble on maps that it has not learned from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.refinement.region_detail import fitting
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.fitting import select_correction
from prn_pipeline.refinement.region_detail.model import CorrectedMaps
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.training.tiling import Tiles

MEMBERS, SIDE = 3, 32
FOLDS = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1])
SETTINGS = RegionDetailSettings(
    network="region_detail", detail_width=4, detail_levels=2, region_size=8, members=MEMBERS, inputs=()
)
RNG = np.random.default_rng(0)
#: Good base maps, which a shift alone hardly improves.
MASKS = (RNG.random((len(FOLDS), SIDE, SIDE)) > 0.6).astype(np.uint8)
LOGITS = RNG.normal(3.0 * MASKS - 1.5, 1).astype(np.float16)


def right(masks: np.ndarray) -> Tensor:
    return torch.from_numpy(18.0 * (masks == 1) - 9.0).float()


class Learned(nn.Module):
    """A member that knows the truth of some maps by heart, and turns the truth of all others round."""

    def __init__(self, known: np.ndarray, logits: np.ndarray, masks: np.ndarray) -> None:
        super().__init__()
        self.logits, self.truth = torch.from_numpy(logits).float(), right(masks)
        self.truth[~torch.from_numpy(known)] *= -1

    def forward(self, base: Tensor) -> CorrectedMaps:
        rows = [int((self.logits == one.float()).all((1, 2)).nonzero()) for one in base[:, 0]]
        answers = self.truth[rows].unsqueeze(1)
        return CorrectedMaps(answers, answers)


def stored(folder: Path, classes: int = 1) -> Samples:
    images = len(FOLDS) // classes
    manifest = pd.DataFrame({"sample_id": [f"s{i}" for i in range(images)], "split": "val", "group": range(images)})
    manifest.attrs[IDENTITY] = "x"
    attributes = {IDENTITY: "x"} | ({CLASSES: classes} if classes > 1 else {})
    masks = MASKS if classes == 1 else class_ids()
    arrays = {"images": np.zeros((images, SIDE, SIDE, 3), np.uint8), "masks": masks}
    write_arrays(folder / "s.zarr", ArrayStream([arrays], attributes))
    write_arrays(folder / "l.zarr", ArrayStream([{"logits": LOGITS}], {IDENTITY: "x"}))
    return map_samples(manifest, {name[0]: ArrayStore(folder / f"{name[1]}.zarr") for name in STORES})


STORES = [("samples", "s"), ("logits", "l")]


def class_ids() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, (3, SIDE, SIDE)).astype(np.uint8)


def ensemble(known: np.ndarray, masks: np.ndarray) -> FoldEnsemble:
    """An ensemble whose member k knows the maps where known[k]."""
    made = FoldEnsemble(SETTINGS)
    made.members = nn.ModuleList(Learned(of_member, LOGITS, masks) for of_member in known)
    return made.eval()


def base_iou() -> float:
    predicted, truth = LOGITS > 0, MASKS == 1
    return float((predicted & truth).sum() / (predicted | truth).sum())


def own_fold() -> np.ndarray:
    return np.arange(MEMBERS)[:, None] == FOLDS


def test_a_refiner_that_knows_only_what_it_learned_from_is_not_applied(tmp_path: Path) -> None:
    """Judged on maps that the members have learned from, this refiner would look perfect."""
    judged = ensemble(~own_fold(), MASKS)
    select_correction(judged, stored(tmp_path), np.arange(len(FOLDS)), FOLDS, batch_size=4, tiles=Tiles())
    assert judged.correction.strength == 0
    assert judged.guard["out_of_fold_base"] == pytest.approx(base_iou())
    assert judged.guard["out_of_fold_refined"] == pytest.approx(base_iou(), abs=0.01), "no more than a shift gives"


def test_a_refiner_that_is_right_about_maps_it_has_not_seen_is_applied_in_full(tmp_path: Path) -> None:
    judged = ensemble(own_fold(), MASKS)
    select_correction(judged, stored(tmp_path), np.arange(len(FOLDS)), FOLDS, batch_size=4, tiles=Tiles())
    assert judged.correction.strength > 0
    assert judged.guard["out_of_fold_base"] == pytest.approx(base_iou())
    assert judged.guard["out_of_fold_refined"] == 1


def test_only_the_maps_to_learn_from_are_judged(tmp_path: Path) -> None:
    """Rows and folds belong together, in any order: one map is left out, and the others are shuffled."""
    rows = np.array([8, 3, 0, 5, 1, 6, 2, 4])
    judged = ensemble(own_fold(), MASKS)
    select_correction(judged, stored(tmp_path), rows, FOLDS[rows], batch_size=4, tiles=Tiles())
    predicted, truth = LOGITS[rows] > 0, MASKS[rows] == 1
    assert judged.guard["out_of_fold_base"] == pytest.approx((predicted & truth).sum() / (predicted | truth).sum())
    assert judged.guard["out_of_fold_refined"] == 1


@pytest.mark.parametrize("pixels", [1, 2 * SIDE**2, 2**22])
def test_the_size_of_the_batches_does_not_change_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(fitting, "GUARD_BATCH_PIXELS", pixels)
    judged = ensemble(own_fold(), MASKS)
    select_correction(judged, stored(tmp_path), np.arange(len(FOLDS)), FOLDS, batch_size=2, tiles=Tiles())
    assert (judged.guard["out_of_fold_base"], judged.guard["out_of_fold_refined"]) == pytest.approx((base_iou(), 1))


@pytest.mark.parametrize("pixels", [1, 2**22])
def test_several_classes_are_judged_image_by_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(fitting, "GUARD_BATCH_PIXELS", pixels)
    ids = class_ids()
    masks = (ids[:, None] == np.arange(3)[:, None, None]).astype(np.uint8).reshape(9, SIDE, SIDE)
    folds = np.array([1, 1, 1, 2, 2, 2, 0, 0, 0])
    judged = ensemble(folds == np.arange(MEMBERS)[:, None], masks)
    select_correction(judged, stored(tmp_path, classes=3), np.arange(9), folds, batch_size=3, tiles=Tiles())
    highest = LOGITS.reshape(3, 3, SIDE, SIDE).argmax(1)
    ious = [((highest == k) & (ids == k)).sum() / ((highest == k) | (ids == k)).sum() for k in range(3)]
    assert judged.guard["out_of_fold_base"] == pytest.approx(np.mean(ious))
    assert judged.guard["out_of_fold_refined"] == 1
