"""The base model's own network as a refiner: which images it learns from, for how long, and what it costs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network import fitting
from prn_pipeline.refinement.base_network.refiner import BaseNetwork
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.protocol import BaseTraining, FittingPlan, LearningMaps
from prn_pipeline.refinement.registry import build_refiner, rebuild_refiner
from prn_pipeline.reporting.leaderboard.costs import added_cost
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.stages.evaluation.map_descriptions import described_maps
from prn_pipeline.stages.evaluation.model_costs import model_costs
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.module_files import load_module, save_module
from prn_pipeline.training.settings import TrainingSettings

FINE_TUNE = BaseNetworkSettings(network="base_network", learning_rates=())
LONGER = BaseNetworkSettings(network="base_network", start="initial", seen_images=True, learning_rates=())
BRIEF = TrainingSettings.model_validate(
    {"epochs": 3, "batch_size": 4, "steps_per_epoch": 3, "precision": "fp32", "learning_rate": 0.01}
    | {"schedule": "one_cycle", "augmentation": {"flips": True, "crop": 32}}
)
#: Of the base model: one pass over the images per epoch.
RECIPE = BRIEF.model_copy(update={"steps_per_epoch": None, "schedule": "constant", "epochs": 40})


def base_model(classes: int = 1) -> Any:
    """A convolution, far from trained."""
    options = {"in_channels": 3, "out_channels": classes, "kernel_size": 3, "padding": 1}
    torch.manual_seed(0)
    return build_base_model(
        ModuleSettings(kind="module", target="torch.nn:Conv2d", options=options, classes=classes, train=True)
    ).eval()


def plan(folder: Path, seed: int = 0, classes: int = 1, listener: Any = None) -> FittingPlan:
    base = BaseTraining(base_model(classes), RECIPE, epochs=5)
    return FittingPlan(BRIEF, seed, folder, listener, base=base)


def fitted(samples: Samples, settings: BaseNetworkSettings, with_plan: FittingPlan) -> BaseNetwork:
    maps = LearningMaps(samples, assign_models(samples.manifest, "holdout", {}))
    network = train_refiner(maps, settings, with_plan).network
    assert isinstance(network, BaseNetwork)
    return network


def same(first: BaseNetwork, second: BaseNetwork) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def with_inverted_masks(samples: Samples, split: str, folder: Path) -> Samples:
    images, masks = (samples.array(name, np.arange(24)) for name in ("images", "masks"))
    rows = samples.rows([split])
    masks[rows] = 1 - masks[rows]
    write_arrays(folder, ArrayStream([{"images": images, "masks": masks}], {IDENTITY: "bright-squares"}))
    return Samples(samples.manifest, {**samples.stores, "samples": ArrayStore(folder)})


@pytest.fixture
def streets(tmp_path: Path) -> Samples:
    """8 images (64 px) of three classes with their one-vs-rest logits; split 2 / 4 / 2."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    masks = (images[..., 0] // 86).astype(np.uint8)
    attributes = {IDENTITY: "streets", CLASSES: 3}
    logits = rng.normal(size=(24, 64, 64)).astype(np.float16)
    write_arrays(tmp_path / "samples.zarr", ArrayStream([{"images": images, "masks": masks}], attributes))
    write_arrays(tmp_path / "logits.zarr", ArrayStream([{"logits": logits}], {IDENTITY: "streets"}))
    names = [f"street-{i}" for i in range(8)]
    manifest = pd.DataFrame({"sample_id": names, "group": names, "split": ["train", "val", "val", "test"] * 2})
    manifest = manifest.assign(fold=[0, 1, 2, -1] * 2, native_height=64, native_width=64)
    manifest.attrs[IDENTITY] = "streets"
    return map_samples(manifest, {name: ArrayStore(tmp_path / f"{name}.zarr") for name in ("samples", "logits")})


class Fits:
    """Stands for `training.loop.fit`: records its arguments, and returns the untrained network."""

    def __init__(self, iou: Any = lambda rate: 0.5) -> None:
        self.calls: list[dict[str, Any]] = []
        self._iou = iou

    def __call__(self, build: Any, objective: Any, train: Any, val: Any, settings: Any, *rest: Any) -> TrainingResult:
        network = build()
        rows = [None if part is None else set(part._given[1]) for part in (train, val)]
        self.calls.append({"train": rows[0], "val": rows[1], "settings": settings, "network": network})
        history = pd.DataFrame({"epoch": [1, 2], "val_iou_micro": [0.99, self._iou(settings.learning_rate)]})
        return TrainingResult(network, history)


@pytest.mark.parametrize(
    ("settings", "split", "learns"),
    [
        (FINE_TUNE, "val", True),
        (FINE_TUNE, "train", False),
        (FINE_TUNE, "test", False),
        (LONGER, "val", True),
        (LONGER, "train", True),
        (LONGER, "test", False),
    ],
)
def test_masks_change_the_weights_only_where_the_refiner_may_learn_from_them(
    settings: BaseNetworkSettings, split: str, learns: bool, bright_squares: Samples, tmp_path: Path
) -> None:
    other = with_inverted_masks(bright_squares, split, tmp_path / "inverted.zarr")
    usual, changed = (fitted(samples, settings, plan(tmp_path / "c")) for samples in (bright_squares, other))
    assert same(usual, changed) is not learns
    assert same(usual, fitted(bright_squares, settings, plan(tmp_path / "c"))), "the same seed"
    assert not same(usual, fitted(bright_squares, settings, plan(tmp_path / "c", seed=1)))


def test_an_interrupted_training_resumes_and_ends_with_the_same_weights(
    bright_squares: Samples, tmp_path: Path
) -> None:
    settings = FINE_TUNE.model_copy(update={"learning_rates": (0.01, 0.1)})
    usual = fitted(bright_squares, settings, plan(tmp_path / "c"))
    epochs: list[int] = []

    def power_cut(epoch: int, _: Any) -> None:
        epochs.append(epoch)
        if epochs == [1, 2]:
            raise RuntimeError("power cut")

    interrupted = plan(tmp_path / "c", listener=power_cut)
    with pytest.raises(RuntimeError, match="power cut"):
        fitted(bright_squares, settings, interrupted)
    assert same(usual, fitted(bright_squares, settings, interrupted))
    assert epochs in ([1, 2, 2, 3], [1, 2, 3]), "the first epoch is not trained again"
    assert not list((tmp_path / "c").glob("*/*.ckpt"))


def test_training_resumes_only_from_checkpoints_of_the_same_base_weights(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    def record(*arguments: Any) -> TrainingResult:
        folders.append(arguments[6])
        return TrainingResult(arguments[0](), pd.DataFrame())

    monkeypatch.setattr(fitting, "fit", record)
    logits = bright_squares.array("logits", np.arange(24))
    for digest in ("a", "b", "a"):
        store = tmp_path / f"{len(folders)}.zarr"
        write_arrays(store, ArrayStream([{"logits": logits}], {IDENTITY: "bright-squares", "models": {"base": digest}}))
        samples = Samples(bright_squares.manifest, {**bright_squares.stores, "logits": ArrayStore(store)})
        fitted(samples, FINE_TUNE, plan(tmp_path / "c"))
    assert folders[0] == folders[2] != folders[1]


def test_the_learning_rate_is_the_best_on_whole_groups_that_were_left_out(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [f"pair-{i // 8}" for i in range(24)]
    manifest = bright_squares.manifest.assign(group=groups)
    manifest.attrs = dict(bright_squares.manifest.attrs)
    samples = Samples(manifest, bright_squares.stores)
    fits = Fits(iou={0.1: 0.3, 0.01: 0.4, 0.001: 0.2}.get)
    monkeypatch.setattr(fitting, "fit", fits)
    refiner = fitted(samples, FINE_TUNE.model_copy(update={"learning_rates": (0.1, 0.01, 0.001)}), plan(tmp_path))
    assert refiner.settings.learning_rate == 0.01, "by the last epoch of each"
    *tried, last = fits.calls
    val = set(samples.rows(["val"]))
    assert len(tried) == 6
    for call in tried:
        assert call["train"] | call["val"] == val
        assert {groups[row] for row in call["train"]}.isdisjoint(groups[row] for row in call["val"])
    assert (last["train"], last["val"], last["settings"].learning_rate) == (val, None, 0.01)


def test_training_for_longer_repeats_the_training_of_the_base_model_with_more_steps(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = Fits()
    monkeypatch.setattr(fitting, "fit", fits)
    fitted(bright_squares, LONGER, plan(tmp_path))
    (call,) = fits.calls
    assert call["train"] == set(bright_squares.rows(["train", "val"]))
    # 5 epochs of 12 images in batches of 4, and 3 x 3 steps, in epochs of 18 images
    assert call["settings"] == RECIPE.model_copy(update={"epochs": 5})
    assert call["settings"].epochs == -(-(5 * 3 + 3 * 3) // 5)
    trained = base_model().network.weight
    assert call["network"].network.weight.shape == trained.shape
    assert not torch.equal(call["network"].network.weight, trained), "random weights, not those of the base model"
    fitted(bright_squares, FINE_TUNE, plan(tmp_path))
    assert torch.equal(fits.calls[-1]["network"].network.weight, trained)
    assert fits.calls[-1]["settings"] == BRIEF


def test_fine_tuning_improves_the_network_and_leaves_the_base_model_as_it_was(
    bright_squares: Samples, tmp_path: Path
) -> None:
    with_plan = plan(tmp_path / "c")
    assert with_plan.base is not None
    before = with_plan.base.model.network.weight.clone()
    long = BRIEF.model_copy(update={"epochs": 5, "steps_per_epoch": 20})
    refiner = fitted(bright_squares, FINE_TUNE, FittingPlan(long, 0, tmp_path / "c", base=with_plan.base))
    assert torch.equal(with_plan.base.model.network.weight, before)
    rows = bright_squares.rows(["test"])
    truth = bright_squares.array("masks", rows) == 1
    found = np.concatenate(list(predict_logits(refiner, bright_squares, rows, refiner.arrays, 4))) > 0
    base = np.concatenate(list(predict_logits(with_plan.base.model, bright_squares, rows, ("images",), 4))) > 0
    ious = [(mask & truth).sum() / (mask | truth).sum() for mask in (base, found)]
    assert ious[1] > max(0.8, ious[0] + 0.1)


def test_a_saved_refiner_is_rebuilt_without_the_base_model(bright_squares: Samples, tmp_path: Path) -> None:
    refiner = fitted(bright_squares, FINE_TUNE, plan(tmp_path / "c"))
    save_module(tmp_path / "refiner.safetensors", refiner, refiner.settings.model_dump(mode="json"))
    loaded = load_module(tmp_path / "refiner.safetensors", rebuild_refiner)
    assert isinstance(loaded, BaseNetwork)
    assert same(refiner, loaded)
    assert loaded.settings == refiner.settings
    with pytest.raises(UserError, match="takes its network from the base model that it is trained on: train it with"):
        build_refiner(FINE_TUNE)


def test_without_a_base_model_nothing_can_be_fitted(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs the base model: pass it as FittingPlan.base"):
        fitted(bright_squares, FINE_TUNE, FittingPlan(BRIEF, 0, tmp_path))


def test_maps_of_all_classes_come_from_one_pass_whatever_the_batch(streets: Samples, tmp_path: Path) -> None:
    refiner = fitted(streets, FINE_TUNE, plan(tmp_path / "c", classes=3))
    rows = streets.rows(["test"])
    images = torch.from_numpy(streets.array("images", rows[::3])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = one_vs_rest(refiner.network(images)).flatten(0, 1).numpy()
    for batch_size in (1, 4, 6):
        found = np.concatenate(list(predict_logits(refiner, streets, rows, refiner.arrays, batch_size)))
        assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("classes", [1, 3])
def test_with_flips_the_maps_of_a_flipped_image_are_the_flipped_maps(classes: int) -> None:
    network = base_model(classes)
    base = network.settings.model_dump(mode="json")
    once, flipped = (
        BaseNetwork(BaseNetworkSettings(network="base_network", flips=flips, base_model=base), network).eval()
        for flips in (False, True)
    )
    images = torch.randint(0, 256, (2, 3, 16, 24), generator=torch.manual_seed(0), dtype=torch.uint8)
    images = images.repeat_interleave(classes, 0)
    maps = torch.zeros(len(images), 1, 16, 24)
    with torch.no_grad():
        for axes in ((-1,), (-2,), (-2, -1)):
            turned = flipped(maps, images.flip(axes)).flip(axes)
            torch.testing.assert_close(turned, flipped(maps, images))
        views = [once(maps, images.flip(axes)).flip(axes) for axes in ((), (-1,), (-2,), (-2, -1))]
        torch.testing.assert_close(flipped(maps, images), torch.stack(views).mean(0))
        assert not torch.allclose(views[0], views[1])


def test_learning_from_classes_uses_their_ids(
    streets: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = Fits()
    monkeypatch.setattr(fitting, "fit", fits)
    fitted(streets, FINE_TUNE, plan(tmp_path / "c", classes=3))
    assert fits.calls[0]["train"] == {1, 2, 5, 6}, "rows of images, not of maps"
    monkeypatch.undo()
    sample = fitting.StoredSamples(fitting._images(streets), [1], fitting.ARRAYS)[0]
    assert set(sample["masks"].unique().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("classes", [1, 3])
def test_inference_costs_one_pass_of_the_network_and_adds_nothing_to_that_of_the_base_model(
    classes: int, bright_squares: Samples, streets: Samples, tmp_path: Path
) -> None:
    samples = bright_squares if classes == 1 else streets
    base = base_model(classes)
    refiner = BaseNetwork(FINE_TUNE.model_copy(update={"base_model": {"classes": classes}}), base_model(classes))
    cost = model_costs(base, refiner, samples)
    assert cost["base"]["gflop"] > 0
    assert cost["refiner"]["gflop"] == pytest.approx(cost["base"]["gflop"], abs=1e-4)
    assert cost["refiner"]["parameters"] == cost["base"]["parameters"]
    assert cost["refiner"]["base_passes"] == -1
    added = added_cost([{"cost": cost}])
    assert (added["parameters"], added["gflop"]) == (0, pytest.approx(0, abs=1e-4))
    assert added["milliseconds"] >= 0


def test_a_predictor_runs_the_network_instead_of_the_base_model(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, settings = base_model(), FINE_TUNE.model_copy(update={"base_model": {"classes": 1}})
    refiner = BaseNetwork(settings, base_model())
    with torch.no_grad():
        refiner.network.network.bias += 1.0
    predictor = Predictor(base, refiner, PredictorSettings(image_size=64))
    rows = bright_squares.rows(["test"])
    images = bright_squares.array("images", rows)
    monkeypatch.setattr(base, "forward", None)
    found = predictor.logits(images)
    expected = np.concatenate(list(predict_logits(refiner, bright_squares, rows, refiner.arrays, 16)))
    assert (found.refined[:, 0] == expected).all()
    assert (found.base == found.refined).all()
    described = next(described_maps(bright_squares, rows, refiner, 16, predictor.settings.tiles))
    served = [one.description for one in predictor.examine(Item(image) for image in images)]
    assert np.concatenate([one.values for one in served]) == pytest.approx(described["values"], abs=1e-6)
    assert (described["corrections"] == 0).all(), "drift is measured on the maps that the predictor makes"
