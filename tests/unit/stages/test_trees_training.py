"""Trees fitted to stored maps: what they gain, what they leave out, and when their guard gives them up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.registry import rebuild_refiner
from prn_pipeline.refinement.trees.ensemble import TreeEnsemble
from prn_pipeline.refinement.trees.sampling import draw_pixels
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.module_files import load_module, save_module
from prn_pipeline.training.settings import TrainingSettings

SMALL = TreesSettings(network="trees", inputs=("images",), trees=40, depth=3, members=3, penalty=20, pixels=6000)


def replaced(squares: Samples, folder: Path, **arrays: np.ndarray) -> Samples:
    folder.mkdir()
    write_arrays(folder / "more.zarr", ArrayStream([arrays], {IDENTITY: squares.manifest.attrs[IDENTITY]}))
    return Samples(squares.manifest, {"more": ArrayStore(folder / "more.zarr"), **squares.stores})


def fitted(samples: Samples, folder: Path, settings: TreesSettings = SMALL, seed: int = 0) -> TreeEnsemble:
    maps = assign_models(samples.manifest, "holdout", {})
    network = train_refiner(
        LearningMaps(samples, maps), settings, FittingPlan(TrainingSettings(), seed, folder)
    ).network
    assert isinstance(network, TreeEnsemble)
    return network


def test_trees_remove_a_bias_that_depends_on_position(bright_squares: Samples, tmp_path: Path) -> None:
    ensemble = fitted(bright_squares, tmp_path)
    assert ensemble.guard["strength"] == 1
    rows = bright_squares.rows(["test"])
    found = np.concatenate(list(predict_logits(ensemble, bright_squares, rows, ensemble.arrays, 4))) > 0
    base, truth = bright_squares.array("logits", rows) > 0, bright_squares.array("masks", rows) == 1
    iou = [(p & truth).sum() / (p | truth).sum() for p in (base, found)]
    assert iou[1] > iou[0] + 0.05


def test_a_member_learns_nothing_from_the_fold_it_leaves_out(bright_squares: Samples, tmp_path: Path) -> None:
    masks = bright_squares.array("masks", np.arange(24))
    unseen = learning_rows(assign_models(bright_squares.manifest, "holdout", {}))
    fold = unseen[assign_map_folds(bright_squares.manifest.iloc[unseen], SMALL.members) == 1]
    ignored = masks.copy()
    ignored[fold] = 255  # nothing is drawn from them; where they are drawn, the draws of later maps would change
    rows = np.sort(unseen)
    pixels, position = draw_pixels(bright_squares, rows, SMALL, 0)
    without, of_rest = draw_pixels(replaced(bright_squares, tmp_path / "s", masks=ignored), rows, SMALL, 0)
    assert not np.isin(of_rest, np.flatnonzero(np.isin(rows, fold))).any()
    rest = ~np.isin(position, np.flatnonzero(np.isin(rows, fold)))
    assert (pixels.weights[rest].sum() / without.weights.sum()) == pytest.approx(1, abs=0.1)


def test_drawn_pixels_stand_for_all_pixels(bright_squares: Samples) -> None:
    rows = learning_rows(assign_models(bright_squares.manifest, "holdout", {}))
    pixels, position = draw_pixels(bright_squares, rows, SMALL, 0)
    cells = len(rows) * (64 // SMALL.stride) ** 2
    assert len(position) < 0.99 * cells
    assert pixels.weights.sum() == pytest.approx(cells, rel=0.03)
    share = (bright_squares.array("masks", rows) == 1).mean()
    assert (pixels.weights * pixels.targets).sum() / pixels.weights.sum() == pytest.approx(share, rel=0.05)


def test_trees_without_gain_leave_the_base_model_unchanged(bright_squares: Samples, tmp_path: Path) -> None:
    masks = bright_squares.array("masks", np.arange(24))
    perfect = (8.0 * masks - 4.0).astype(np.float16)
    samples = replaced(bright_squares, tmp_path / "s", logits=perfect)
    ensemble = fitted(samples, tmp_path / "c")
    rows = samples.rows(["test"])
    found = np.concatenate(list(predict_logits(ensemble, samples, rows, ensemble.arrays, 4)))
    assert ((found > 0) == (perfect[rows] > 0)).all()


def test_the_same_seed_gives_the_same_trees_and_they_survive_storage(bright_squares: Samples, tmp_path: Path) -> None:
    first, again, other = (fitted(bright_squares, tmp_path, seed=seed) for seed in (0, 0, 1))
    save_module(tmp_path / "trees.safetensors", first, first.settings.model_dump(mode="json"))
    loaded = load_module(tmp_path / "trees.safetensors", rebuild_refiner)
    maps = [torch.randn(1, 1, 64, 64), torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)]
    assert torch.equal(first(*maps), again(*maps))
    assert torch.equal(first(*maps), loaded(*maps))
    assert not torch.equal(first(*maps), other(*maps))


def test_there_are_at_most_as_many_members_as_groups(bright_squares: Samples, tmp_path: Path) -> None:
    ensemble = fitted(bright_squares, tmp_path, SMALL.model_copy(update={"members": 10}))
    assert len(ensemble.members) == ensemble.settings.members == 6


def test_each_class_of_several_is_corrected_against_the_others(bright_squares: Samples, tmp_path: Path) -> None:
    rows = np.arange(24)
    arrays = {name: bright_squares.array(name, rows) for name in ("images", "masks")}
    logits = bright_squares.array("logits", rows)
    identity = {IDENTITY: bright_squares.manifest.attrs[IDENTITY]}
    write_arrays(tmp_path / "samples.zarr", ArrayStream([arrays], identity | {CLASSES: 2}))
    both = np.stack([-logits, logits], axis=1).reshape(48, 64, 64)
    write_arrays(tmp_path / "maps.zarr", ArrayStream([{"logits": both}], identity))
    stores = {"samples": ArrayStore(tmp_path / "samples.zarr"), "maps": ArrayStore(tmp_path / "maps.zarr")}
    ensemble = fitted(map_samples(bright_squares.manifest, stores), tmp_path / "c")
    guard = ensemble.guard
    assert guard["strength"] > 0
    assert guard["out_of_fold_refined"] > guard["out_of_fold_base"] + 0.02


def test_one_group_is_refused(bright_squares: Samples, tmp_path: Path) -> None:
    manifest = bright_squares.manifest.assign(group="one")
    manifest.attrs = bright_squares.manifest.attrs
    with pytest.raises(UserError, match="in 1 groups cannot be split into 2 folds"):
        fitted(Samples(manifest, bright_squares.stores), tmp_path)
