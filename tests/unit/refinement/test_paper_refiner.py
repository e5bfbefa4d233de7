"""The paper's network as a refiner: what it is fed, how it is fitted, and the copy that predicts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement import RefinedMaps, prn_loss, region_loss, regularization_loss
from prn_pipeline.refinement.patch_refine_net import fitting
from prn_pipeline.refinement.patch_refine_net.fitting import fit_network
from prn_pipeline.refinement.patch_refine_net.fusion import fuse_logits
from prn_pipeline.refinement.patch_refine_net.monitor import monitor_rows
from prn_pipeline.refinement.patch_refine_net.objective import PatchRefineNetObjective
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.training_arrays import training_arrays
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.settings import TrainingSettings

SMALL = PatchRefineNetSettings(width=4, grid=2)


@pytest.mark.parametrize("kind", ["paper", "released"])
@pytest.mark.parametrize("local", [True, False])
def test_the_loss_is_seven_tenths_region_and_three_tenths_regularization_of_its_kind(kind: Any, local: bool) -> None:
    torch.manual_seed(0)
    logits = [torch.randn(2, 1, 12, 12), torch.randn(2, 1, 12, 12) if local else None]
    labels, masks = (torch.randint(0, 2, (2, 12, 12)) for _ in range(2))
    expected = [
        0.7 * region_loss(one, labels, kind) + 0.3 * regularization_loss(one, masks, kind)
        for one in logits
        if one is not None
    ]
    found = prn_loss(RefinedMaps(*logits), labels, masks, kind)
    torch.testing.assert_close(found, torch.stack(expected).mean())
    other = prn_loss(RefinedMaps(*logits), labels, masks, "released" if kind == "paper" else "paper")
    assert not torch.isclose(found, other)


@pytest.mark.parametrize("wide", [False, True])
def test_the_network_reads_probability_and_pixel_values_between_zero_and_one(wide: bool) -> None:
    torch.manual_seed(0)
    refiner = PaperRefiner(SMALL.model_copy(update={"image": True})).eval()
    logits, images = torch.randn(2, 1, 32, 32), torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    read: list[torch.Tensor] = []
    refiner.network.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    with torch.no_grad():
        both = refiner(logits, images.int() * 257 if wide else images, branches=True)
        fused = refiner(logits, images)
    torch.testing.assert_close(read[0][:, :1], logits.sigmoid())
    torch.testing.assert_close(read[0][:, 1:], images.float() / 255)
    torch.testing.assert_close(fused, fuse_logits(both, refiner.settings.fusion))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_copy_for_inference_computes_in_the_precision_that_is_asked_for(dtype: torch.dtype) -> None:
    refiner = PaperRefiner(SMALL).train()
    faster = refiner.for_inference(dtype)
    assert {parameter.dtype for parameter in faster.parameters()} == {dtype}
    assert {parameter.dtype for parameter in refiner.parameters()} == {torch.float32}
    assert (faster.training, refiner.training) == (False, True)
    with torch.no_grad():
        assert faster(torch.randn(1, 1, 32, 32)).dtype == torch.float32


def test_one_fold_selects_the_epoch_and_the_network_learns_from_the_others(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[SimpleNamespace] = []

    def fit(build: Any, objective: Any, train: Any, val: Any, settings: Any, seed: int, *rest: Any) -> TrainingResult:
        calls.append(SimpleNamespace(**locals()))
        return TrainingResult(build(), pd.DataFrame())

    def heard(_: Any) -> None:
        """A listener."""

    monkeypatch.setattr(fitting, "fit", fit)
    maps = LearningMaps(bright_squares, assign_models(bright_squares.manifest, "holdout", {}))
    settings = TrainingSettings(epochs=3, augmentation=AugmentationSettings(flips=True, crop=32))
    result = fit_network(maps, SMALL, FittingPlan(settings, 9, tmp_path, heard))
    (call,) = calls
    assert isinstance(result.network, PaperRefiner)
    assert (result.network.settings, call.settings, call.seed) == (SMALL, settings, 9)
    assert call.rest == (checkpoint_folder(tmp_path, bright_squares, "prn", 9, SMALL, settings), "prn", heard)
    assert isinstance(call.objective, PatchRefineNetObjective)
    rows = learning_rows(maps.map_manifest)
    monitor = monitor_rows(maps, rows)
    for learning, chosen, augmentation in (
        (call.train, rows[~monitor], settings.augmentation),
        (call.val, rows[monitor], None),
    ):
        samples, given, arrays, augmented, folds, memory, side = learning._given
        np.testing.assert_array_equal(given, chosen)
        assert (samples, arrays, augmented) == (bright_squares, training_arrays(SMALL), augmentation)
        assert (folds, memory, side) == (None, settings.memory_bytes, None)
