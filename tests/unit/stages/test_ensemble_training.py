"""An ensemble on stored maps: the maps each member learns from, and the selection on the maps it leaves out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.map_manifest import learning_rows, seen_rows
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.objective import EnsembleObjective
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.settings import TrainingSettings

SMALL = RegionDetailSettings(
    network="region_detail", region_size=16, region_width=8, detail_width=4, detail_levels=2, members=3
)
BRIEF = TrainingSettings.model_validate(
    {"epochs": 6, "batch_size": 12, "steps_per_epoch": 4, "precision": "fp32", "learning_rate": 0.01}
    | {"schedule": "one_cycle", "keep": "last", "gradient_clip": 0.0, "augmentation": {"flips": True, "crop": 48}}
)


def stored(squares: Samples, folder: Path, **arrays: np.ndarray) -> Samples:
    """The squares with further arrays; by default, the masks are the pseudo-labels."""
    arrays = {"labels": squares.array("masks", np.arange(len(squares.manifest)))} | arrays
    folder.mkdir()
    write_arrays(folder / "more.zarr", ArrayStream([arrays], {IDENTITY: squares.manifest.attrs[IDENTITY]}))
    return Samples(squares.manifest, {"more": ArrayStore(folder / "more.zarr"), **squares.stores})


def trained(samples: Samples, refiner: RegionDetailSettings, folder: Path) -> FoldEnsemble:
    maps = assign_models(samples.manifest, "holdout", {})
    network = train_refiner(LearningMaps(samples, maps), refiner, FittingPlan(BRIEF, 0, folder)).network
    assert isinstance(network, FoldEnsemble)
    return network


def test_a_member_learns_nothing_from_the_fold_it_leaves_out(bright_squares: Samples, tmp_path: Path) -> None:
    """Inverting the masks of fold 1 changes the weights of all members but member 1, which stay equal to the bit."""
    masks = bright_squares.array("masks", np.arange(24))
    inverted = masks.copy()
    unseen = learning_rows(assign_models(bright_squares.manifest, "holdout", {}))
    fold = unseen[assign_map_folds(bright_squares.manifest.iloc[unseen], SMALL.members) == 1]
    assert fold.size == 2
    inverted[fold] = 1 - inverted[fold]
    on_masks, on_inverted = (
        trained(stored(bright_squares, tmp_path / name, masks=truth, labels=truth), SMALL, tmp_path / f"{name}-c")
        for name, truth in (("masks", masks), ("inverted", inverted))
    )
    same = [
        all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
        for first, second in zip(on_masks.members, on_inverted.members, strict=True)
    ]
    assert same == [False, True, False]


def test_the_ensemble_removes_a_bias_that_depends_on_position(bright_squares: Samples, tmp_path: Path) -> None:
    samples = stored(bright_squares, tmp_path / "s")
    ensemble = trained(samples, SMALL, tmp_path / "c")
    base_iou, refined_iou = ensemble.out_of_fold_iou.tolist()
    assert ensemble.correction.start == 1
    assert refined_iou > base_iou + 0.02
    rows = samples.rows(["test"])
    found = np.concatenate(list(predict_logits(ensemble, samples, rows, ensemble.arrays, 4))) > 0
    base, truth = samples.array("logits", rows) > 0, samples.array("masks", rows) == 1
    iou = [(p & truth).sum() / (p | truth).sum() for p in (base, found)]
    assert iou[1] > iou[0] + 0.02


def test_a_refiner_without_gain_leaves_the_base_model_unchanged(bright_squares: Samples, tmp_path: Path) -> None:
    masks = bright_squares.array("masks", np.arange(24))
    perfect = (8.0 * masks - 4.0).astype(np.float16)
    samples = stored(bright_squares, tmp_path / "s", logits=perfect)
    ensemble = trained(samples, SMALL, tmp_path / "c")
    assert ensemble.correction == Correction(0.0, 0.0)
    rows = samples.rows(["test"])
    found = np.concatenate(list(predict_logits(ensemble, samples, rows, ensemble.arrays, 4)))
    assert (found == perfect[rows]).all()


def test_features_of_any_number_and_resolution_are_supported(bright_squares: Samples, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 5, 16, 16)).astype(np.float16)
    tta = np.stack([bright_squares.array("logits", np.arange(24))] * 2, axis=1)
    samples = stored(bright_squares, tmp_path / "s", features=features, tta=tta)
    refiner = SMALL.model_copy(update={"inputs": ("tta", "features")})
    ensemble = trained(samples, refiner, tmp_path / "c")
    assert ensemble.settings.feature_channels == 5
    assert FoldEnsemble(RegionDetailSettings.model_validate(ensemble.settings.model_dump(mode="json")))


def test_features_of_several_models_are_rejected(bright_squares: Samples, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = stored(bright_squares, tmp_path / "s", features=rng.normal(size=(24, 5, 16, 16)).astype(np.float16))
    refiner = SMALL.model_copy(update={"inputs": ("features",)})
    maps = assign_models(samples.manifest, "holdout", {})
    maps.loc[0, "model"] = "fold-0"
    with pytest.raises(UserError, match="maps are from 2 models, whose features have nothing in common"):
        train_refiner(LearningMaps(samples, maps), refiner, FittingPlan(BRIEF, 0, tmp_path / "c"))


def test_the_error_for_arrays_that_were_not_kept_names_them(bright_squares: Samples, tmp_path: Path) -> None:
    samples = stored(bright_squares, tmp_path / "s")
    refiner = SMALL.model_copy(update={"inputs": ("features", "images")})
    with pytest.raises(UserError, match=r"features were not kept: add them to logit_caching.keep"):
        trained(samples, refiner, tmp_path / "c")


def test_members_leave_out_whole_groups_and_need_at_least_one_each(bright_squares: Samples) -> None:
    unseen = bright_squares.manifest.iloc[:8].assign(group=["a", "a", "b", "c", "c", "d", "e", "f"])
    folds = pd.Series(assign_map_folds(unseen, 3), index=unseen["group"])
    assert folds.groupby(level=0).nunique().max() == 1
    assert set(folds) == {0, 1, 2}
    with pytest.raises(UserError, match="8 maps of unseen images in 2 groups cannot be split into 3 folds"):
        assign_map_folds(unseen.assign(group=["a", "b"] * 4), 3)


def test_a_member_leaves_out_one_stretch_of_the_frames_of_a_video(bright_squares: Samples) -> None:
    frames = bright_squares.manifest.iloc[:8].assign(video=True)
    folds = assign_map_folds(frames, 3)
    assert folds.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert assign_map_folds(frames.assign(video=False), 3).tolist() != folds.tolist()


def test_with_holdout_the_seen_maps_are_those_of_train(bright_squares: Samples) -> None:
    maps: pd.DataFrame = assign_models(bright_squares.manifest, "holdout", {})
    assert set(maps["split"].iloc[seen_rows(maps)]) == {"train"}
    assert not set(seen_rows(maps)) & set(learning_rows(maps))


def test_a_batch_that_no_member_may_learn_from_has_no_gradient() -> None:
    settings = RegionDetailSettings(network="region_detail", members=2)
    network = FoldEnsemble(settings).train()
    maps, labels = torch.randn(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)
    loss, _ = EnsembleObjective(settings)(
        network, {"inputs": maps, "pseudo_labels": labels, "masks": labels, "folds": torch.tensor([0, 1])}
    )
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in network.parameters())


def test_a_member_learns_from_two_maps_or_more_of_other_folds_and_is_judged_on_any_number_of_its_own() -> None:
    network = FoldEnsemble(RegionDetailSettings(network="region_detail", members=2))
    maps, folds = torch.randn(3, 1, 64, 64), [0, 1, 1]
    learned = network.train()(maps, folds=folds)
    judged = network.eval()(maps, folds=folds)
    assert [member.rows.tolist() for member in learned] == [[1, 2]], "one map would teach batch norm nothing"
    assert [member.rows.tolist() for member in judged] == [[0], [1, 2]]


def test_checkpoints_of_other_folds_are_not_resumed(bright_squares: Samples, tmp_path: Path) -> None:
    settings = TrainingSettings()
    manifest = bright_squares.manifest
    other = manifest.assign(fold=manifest["fold"].where(manifest["fold"] < 1, 3 - manifest["fold"]))
    other.attrs = manifest.attrs
    folders = [
        checkpoint_folder(tmp_path, Samples(table, bright_squares.stores), "prn", 0, settings)
        for table in (manifest, other, manifest)
    ]
    assert folders[0] == folders[2] != folders[1]


def test_a_training_does_not_resume_an_interrupted_one_of_another_seed(bright_squares: Samples, tmp_path: Path) -> None:
    def interrupted(epoch: int, _: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    samples = stored(bright_squares, tmp_path / "stores")
    maps = LearningMaps(samples, assign_models(samples.manifest, "holdout", {}))
    with pytest.raises(KeyboardInterrupt):
        train_refiner(maps, SMALL, FittingPlan(BRIEF, 0, tmp_path / "shared", interrupted))
    assert any((tmp_path / "shared").rglob("*.ckpt")), "something to resume"
    found, expected = (
        train_refiner(maps, SMALL, FittingPlan(BRIEF, 1, tmp_path / folder)).network.state_dict()
        for folder in ("shared", "empty")
    )
    assert all(torch.equal(found[name], expected[name]) for name in expected)
