"""A refiner that reads the maps of several models starts from their mean."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.inputs import LOGIT_SCALE, pixel_inputs
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.refinement.trees.ensemble import TreeEnsemble
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.segmentation.map_inputs import mean_and_others
from prn_pipeline.stages.evaluation.free_maps import arrays_of, free_maps, learning_batches
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.settings import TrainingSettings

TINY = {"network": "region_detail", "members": 2, "detail_width": 4, "detail_levels": 2, "region_width": 4}


def settings(**keys: object) -> RegionDetailSettings:
    return RegionDetailSettings.model_validate({**TINY, "inputs": ["several_maps"], **keys})


@pytest.fixture
def samples(bright_squares: Samples, tmp_path: Path) -> Samples:
    """Squares with the maps of three models: a weak one, a strong one, and another weak one."""
    draw, masks = np.random.default_rng(0), bright_squares.array("masks", slice(None))  # type: ignore[arg-type]
    base = bright_squares.array("logits", slice(None))  # type: ignore[arg-type]
    strong = (6.0 * masks - 2 + draw.normal(0, 1, masks.shape)).astype(np.float16)
    weak = (1.0 * masks + draw.normal(0, 2, masks.shape)).astype(np.float16)
    maps = {"logits": base, "several_maps": mean_and_others(base, [strong, weak])}
    maps["labels"] = masks
    attributes = {IDENTITY: "bright-squares", "several_maps": ["first", "strong", "weak"]}
    write_arrays(tmp_path / "maps.zarr", ArrayStream([maps], attributes))
    stores = {"samples": bright_squares.stores["samples"], "maps": ArrayStore(tmp_path / "maps.zarr")}
    return Samples(bright_squares.manifest, stores)


def test_all_maps_are_inputs_and_the_correction_starts_at_their_mean() -> None:
    base, several = torch.randn(2, 1, 32, 32), torch.randn(2, 3, 32, 32)
    ensemble = FoldEnsemble(settings(several_maps_channels=3)).eval()
    assert torch.equal(ensemble(base, several), several[:, :1]), "untrained, it is the mean"
    ensemble.correction = Correction(0.0, 0.0)
    assert torch.equal(ensemble(base, several), base)
    stacked = pixel_inputs(base, {"several_maps": several})
    assert torch.equal(stacked, torch.cat([base / LOGIT_SCALE, base.sigmoid(), several / LOGIT_SCALE], 1))


def test_maps_of_another_number_of_models_are_refused() -> None:
    ensemble = FoldEnsemble(settings(several_maps_channels=3))
    with pytest.raises(UserError, match="has learned from the maps of 3 models, but was given those of 2"):
        ensemble(torch.zeros(1, 1, 32, 32), torch.zeros(1, 2, 32, 32))


def test_settings_without_several_maps_are_stored_as_before() -> None:
    assert "several_maps_channels" not in RegionDetailSettings.model_validate(TINY).model_dump()


def test_a_refiner_learns_from_several_maps_and_its_guard_can_select_their_mean(
    samples: Samples, tmp_path: Path
) -> None:
    manifest = samples.manifest[["sample_id", "split", "fold"]].assign(model="external", seen_in_training=False)
    training = TrainingSettings(epochs=1, steps_per_epoch=1, batch_size=4, learning_rate=1e-6)
    plan = FittingPlan(training, 0, tmp_path / "checkpoints")
    fitted = train_refiner(LearningMaps(samples, manifest), settings(inputs=["images", "several_maps"]), plan)
    refiner = fitted.network
    assert isinstance(refiner, FoldEnsemble)
    assert refiner.settings.several_maps_channels == 3
    assert refiner.correction.start == 1, "nothing was learned, and the mean is far better than the first map"
    assert refiner.guard["several_maps"] == 1
    assert refiner.guard["out_of_fold_free"] > refiner.guard["out_of_fold_base"] + 0.02


def test_trees_learn_which_of_several_models_to_believe(samples: Samples, tmp_path: Path) -> None:
    manifest = samples.manifest[["sample_id", "split", "fold"]].assign(model="external", seen_in_training=False)
    trees = TreesSettings.model_validate(
        {"network": "trees", "inputs": ["several_maps"], "trees": 40, "members": 2, "stride": 1, "penalty": 5.0}
    )
    plan = FittingPlan(TrainingSettings(batch_size=4), 0, tmp_path)
    refiner = train_refiner(LearningMaps(samples, manifest), trees, plan).network
    assert isinstance(refiner, TreeEnsemble)
    assert refiner.settings.several_maps_channels == 3
    assert refiner.correction.strength == 1
    assert refiner.guard["out_of_fold_refined"] > refiner.guard["out_of_fold_free"] + 0.01, "better than the mean"


def test_the_mean_and_every_further_map_are_tuned_under_their_labels(samples: Samples) -> None:
    maps = free_maps(samples)
    assert list(maps) == ["base", "mean_maps", "map_strong", "map_weak"]
    assert arrays_of(maps) == ["logits", "several_maps"], "each array is read once"
    rows = samples.rows(["val"])
    ((found, masks),) = learning_batches(samples, rows)
    stored = samples.array("several_maps", rows)
    for channel, name in enumerate(["mean_maps", "map_strong", "map_weak"]):
        assert np.array_equal(found[name], stored[:, channel])
    manifest = samples.manifest[["sample_id", "split", "fold"]].assign(seen_in_training=False)
    manifest["seen_in_training"] = manifest["split"] == "train"
    thresholds = tune(samples, manifest, 16).thresholds
    for name, logits in found.items():
        scores = []
        for k in range(1000):
            predicted = 1 / (1 + np.exp(-logits.astype(np.float64))) > k / 1000
            scores.append((predicted & (masks == 1)).sum() / (predicted | (masks == 1)).sum())
        assert scores[round(1000 * thresholds[name][0])] == pytest.approx(max(scores), abs=1e-4)
