"""A refiner that reads the mean of TTA over several scales of the image starts from it."""

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
from prn_pipeline.refinement.trees.context import context_features
from prn_pipeline.refinement.trees.ensemble import TreeEnsemble
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.settings import TrainingSettings

TINY = {"network": "region_detail", "members": 2, "detail_width": 4, "detail_levels": 2, "region_width": 4}
TREES = {"network": "trees", "trees": 40, "members": 2, "stride": 1, "penalty": 5.0}
BOTH = ["tta", "tta_scales"]


@pytest.fixture
def maps(bright_squares: Samples, tmp_path: Path) -> LearningMaps:
    """Squares; the base model has learned from those of train, of which there are no maps at other scales."""
    draw, masks = np.random.default_rng(0), bright_squares.array("masks", slice(None))  # type: ignore[arg-type]
    base = bright_squares.array("logits", slice(None))  # type: ignore[arg-type]
    seen = (bright_squares.manifest["split"] == "train").to_numpy()
    over_scales = (4.0 * masks - 2 + draw.normal(0, 1.2, masks.shape)).astype(np.float16)
    over_scales[seen] = np.nan
    arrays = {"logits": base, "tta": np.stack([base, 0 * base], axis=1), "tta_scales": over_scales, "labels": masks}
    attributes = {IDENTITY: "bright-squares", "tta_scales": [0.5, 1.5]}
    write_arrays(tmp_path / "maps.zarr", ArrayStream([arrays], attributes))
    stores = {"samples": bright_squares.stores["samples"], "maps": ArrayStore(tmp_path / "maps.zarr")}
    manifest = bright_squares.manifest[["sample_id", "split", "fold"]].assign(model="base", seen_in_training=seen)
    assert seen.any()
    return LearningMaps(Samples(bright_squares.manifest, stores), manifest)


def stored(maps: LearningMaps, *names: str) -> dict[str, np.ndarray]:
    """Arrays of the maps, and these."""
    rows = np.arange(len(maps.samples.manifest))
    return {name: maps.samples.array(name, rows) for name in ("logits", "tta", "labels", *names)}


def with_arrays(maps: LearningMaps, folder: Path, arrays: dict[str, np.ndarray], **attributes: object) -> LearningMaps:
    """The same images with these arrays in place of their maps, in a store with these attributes."""
    write_arrays(folder / "others.zarr", ArrayStream([arrays], {IDENTITY: "bright-squares", **attributes}))
    stores = {**maps.samples.stores, "maps": ArrayStore(folder / "others.zarr")}
    return LearningMaps(Samples(maps.samples.manifest, stores), maps.map_manifest)


def plan(folder: Path) -> FittingPlan:
    return FittingPlan(TrainingSettings(epochs=1, steps_per_epoch=2, batch_size=4, learning_rate=1e-6), 0, folder)


def test_the_correction_starts_at_the_mean_over_scales() -> None:
    base, tta, over_scales = torch.randn(2, 1, 32, 32), torch.randn(2, 2, 32, 32), torch.randn(2, 1, 32, 32)
    ensemble = FoldEnsemble(RegionDetailSettings.model_validate({**TINY, "inputs": BOTH, "tta_scales": [0.5]})).eval()
    assert torch.equal(ensemble(base, tta, over_scales), over_scales), "untrained, it is the mean"
    ensemble.correction = Correction(0.0, 0.0)
    assert torch.equal(ensemble(base, tta, over_scales), base)
    stacked = pixel_inputs(base, {"tta_scales": over_scales})
    assert torch.equal(stacked, torch.cat([base / LOGIT_SCALE, base.sigmoid(), over_scales / LOGIT_SCALE], 1))


@pytest.mark.parametrize("network", [TINY, TREES], ids=["region_detail", "trees"])
def test_settings_without_scales_are_stored_as_before(network: dict[str, object]) -> None:
    settings = (TreesSettings if network is TREES else RegionDetailSettings).model_validate(network)
    assert "tta_scales" not in settings.model_dump()


def test_a_network_learns_without_maps_of_seen_images_that_have_no_other_scales(
    maps: LearningMaps, tmp_path: Path
) -> None:
    settings = RegionDetailSettings.model_validate({**TINY, "inputs": BOTH})
    assert settings.seen_maps
    fitted = train_refiner(maps, settings, plan(tmp_path / "checkpoints"))
    refiner = fitted.network
    assert isinstance(refiner, FoldEnsemble)
    assert np.isfinite(fitted.history[["train_loss", "val_loss"]].to_numpy()).all()
    assert refiner.settings.tta_scales == (0.5, 1.5), "as the logit cache says"
    assert refiner.correction.start == 1, "nothing was learned, and the mean over scales is far better than the base"
    assert refiner.guard["tta_scales"] == 1
    assert refiner.guard["out_of_fold_free"] > refiner.guard["out_of_fold_base"] + 0.02


def test_trees_correct_the_mean_over_scales_and_know_how_far_it_is_from_the_own_scale(
    maps: LearningMaps, tmp_path: Path
) -> None:
    settings = TreesSettings.model_validate({**TREES, "inputs": BOTH})
    refiner = train_refiner(maps, settings, plan(tmp_path)).network
    assert isinstance(refiner, TreeEnsemble)
    assert refiner.settings.tta_scales == (0.5, 1.5)
    assert refiner.correction.strength == 1
    assert refiner.guard["out_of_fold_refined"] > refiner.guard["out_of_fold_free"] + 0.01, "better than the mean"
    inputs = {"tta": torch.randn(1, 2, 32, 32), "tta_scales": torch.randn(1, 1, 32, 32)}
    base = torch.randn(1, 1, 32, 32)
    features = context_features(base, inputs, stride=1)[0]
    assert torch.equal(features[0], inputs["tta_scales"][0, 0]), "the first one is corrected"
    apart = (inputs["tta_scales"].sigmoid() - inputs["tta"][:, :1].sigmoid()).abs()[0, 0]
    assert any(torch.equal(feature, apart) for feature in features), "how far other scales are from the own one"


@pytest.mark.parametrize("network", [TINY, TREES], ids=["region_detail", "trees"])
def test_scales_that_gain_nothing_over_flips_are_not_read(
    maps: LearningMaps, network: dict[str, object], tmp_path: Path
) -> None:
    arrays = stored(maps)
    worse = arrays["tta"][:, 0] - 5
    worse[maps.map_manifest["seen_in_training"].to_numpy()] = np.nan
    alike = with_arrays(maps, tmp_path, {**arrays, "tta_scales": worse}, tta_scales=[0.5])
    kind = TreesSettings if network is TREES else RegionDetailSettings
    refiner = train_refiner(alike, kind.model_validate({**network, "inputs": BOTH}), plan(tmp_path)).network
    assert refiner.arrays == ("logits", "tta")
    assert "tta_scales" not in refiner.settings.model_dump()
    assert "tta_scales" not in refiner.guard


def test_over_a_base_model_for_one_size_of_images_it_starts_from_flips(
    maps: LearningMaps, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = TreesSettings.model_validate({**TREES, "inputs": BOTH})
    refiner = train_refiner(with_arrays(maps, tmp_path, stored(maps), tta_scales=[]), settings, plan(tmp_path)).network
    assert refiner.arrays == ("logits", "tta")
    assert "there are no maps at other scales of the image" in caplog.text


def test_other_scales_that_nobody_asked_for_are_an_error_that_says_how_to_get_them(
    maps: LearningMaps, tmp_path: Path
) -> None:
    settings = TreesSettings.model_validate({**TREES, "inputs": BOTH})
    with pytest.raises(
        UserError, match=r"no maps at other scales .*: list scales in logit_caching.tta_scales, and tta in"
    ):
        train_refiner(with_arrays(maps, tmp_path, stored(maps)), settings, plan(tmp_path))


def test_a_cache_that_does_not_say_at_which_scales_its_maps_are_is_an_error(maps: LearningMaps, tmp_path: Path) -> None:
    old = with_arrays(maps, tmp_path, stored(maps, "tta_scales"))
    settings = TreesSettings.model_validate({**TREES, "inputs": BOTH})
    with pytest.raises(UserError, match=r"written by an earlier version, .*: run the pipeline logit_caching again"):
        train_refiner(old, settings, plan(tmp_path))
