"""What base models are trained on, and what the training loop is told; the loop itself is replaced by a record."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.episodes import CATEGORY, draw_episodes
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.segmentation.settings import BaseModelSettings, FewShotSettings
from prn_pipeline.segmentation.torch_module import ImportedModel
from prn_pipeline.stages import base_training
from prn_pipeline.stages.base_training import train_base_model, train_fold_models
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.episodes import Episodes
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

UNET = BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", loss="focal")
CONVOLUTION = {"in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
MODULE = ModuleSettings(kind="module", target="torch.nn:Conv2d", options=CONVOLUTION, train=True)
READY = ModuleSettings(kind="module", target="torch.nn:Conv2d", options=CONVOLUTION)
SETTINGS = TrainingSettings(epochs=3, augmentation=AugmentationSettings(flips=True, crop=32))


class Trainings:
    """The calls of the training loop, and of whatever builds networks."""

    def __init__(self) -> None:
        self.calls: list[SimpleNamespace] = []
        self.pretrained: list[bool] = []

    def fit(
        self,
        build: Any,
        objective: Any,
        train: Any,
        val: Any,
        settings: Any,
        seed: int,
        checkpoints: Path,
        name: str = "training",
        listener: Any = None,
    ) -> TrainingResult:
        self.calls.append(SimpleNamespace(**{key: value for key, value in locals().items() if key != "self"}))
        return TrainingResult(torch.nn.Identity(), pd.DataFrame({"epoch": [len(self.calls)]}))


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    made, build = Trainings(), base_training.build_base_model

    def building(settings: Any, pretrained: bool = True) -> Any:
        made.pretrained.append(pretrained)
        return build(settings, pretrained)

    monkeypatch.setattr(base_training, "fit", made.fit)
    monkeypatch.setattr(base_training, "build_base_model", building)
    return made


def heard(_: Any) -> None:
    """A listener."""


def images_of(learning: Any) -> list[np.ndarray]:
    """The images of a training set, (S,S,3)."""
    assert isinstance(learning, StoredSamples)
    return [learning[index]["inputs"].permute(1, 2, 0).numpy() for index in range(len(learning))]


def rows_of(learning: Any) -> list[int]:
    """Manifest rows of a training set."""
    assert isinstance(learning, StoredSamples)
    return [int(row) for row in learning._given[1]]


def test_the_base_model_learns_from_train_and_val_selects_its_epoch(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    result = train_base_model(bright_squares, UNET, SETTINGS, 7, tmp_path, heard)
    (call,) = trainings.calls
    assert result.history["epoch"].tolist() == [1]
    assert rows_of(call.train) == bright_squares.rows(["train"]).tolist()
    assert rows_of(call.val) == bright_squares.rows(["val"]).tolist()
    assert (call.settings, call.seed, call.name, call.listener) == (SETTINGS, 7, "base", heard)
    assert call.objective._terms == MaskObjective("focal")._terms
    assert call.checkpoints == checkpoint_folder(tmp_path, bright_squares, "base", 7, UNET, SETTINGS)


def test_only_the_images_to_learn_from_are_augmented(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    train_base_model(bright_squares, UNET, SETTINGS, 0, tmp_path)
    (call,) = trainings.calls
    assert {image.shape for image in images_of(call.train)} == {(32, 32, 3)}, "cropped"
    stored = bright_squares.array("images", bright_squares.rows(["val"]))
    assert (np.stack(images_of(call.val)) == stored).all()
    masks = np.stack([call.val[index]["masks"].numpy() for index in range(len(call.val))])
    assert (masks == bright_squares.array("masks", bright_squares.rows(["val"]))).all()


def test_weights_are_loaded_for_the_network_that_is_trained_and_not_for_checks(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    train_base_model(bright_squares, UNET, SETTINGS, 0, tmp_path)
    assert trainings.pretrained == [False], "the settings can be checked without a download"
    network = trainings.calls[0].build()
    assert trainings.pretrained == [False, True]
    assert network.settings == UNET
    assert network is not trainings.calls[0].build(), "every process builds its own"


def test_samples_are_held_in_memory_as_far_as_the_settings_allow(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    train_base_model(bright_squares, UNET, SETTINGS, 0, tmp_path)
    call = trainings.calls[0]
    assert SETTINGS.memory_bytes > 0
    assert [learning._given[-2:] for learning in (call.train, call.val)] == [(SETTINGS.memory_bytes, None)] * 2


def test_a_fold_model_sees_nothing_of_its_fold_and_nothing_selects_its_epoch(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    results = train_fold_models(bright_squares, UNET, SETTINGS, 5, tmp_path, [0, 2], 7, heard)
    assert list(results) == ["fold-0", "fold-2"]
    assert [result.history["epoch"].item() for result in results.values()] == [1, 2]
    manifest = bright_squares.manifest
    for fold, call in zip((0, 2), trainings.calls, strict=True):
        expected = manifest.index[(manifest["split"] != "test") & (manifest["fold"] != fold)]
        assert rows_of(call.train) == expected.tolist()
        assert call.val is None
        assert {image.shape for image in images_of(call.train)} == {(32, 32, 3)}, "augmented"
        name = f"fold-{fold}"
        assert (call.settings, call.seed, call.name, call.listener) == (SETTINGS, 5, name, heard)
        assert call.checkpoints == checkpoint_folder(tmp_path, bright_squares, name, 5, UNET, SETTINGS)
    assert trainings.calls[0].checkpoints != trainings.calls[1].checkpoints


def test_fold_models_of_a_training_that_ends_by_what_it_validates_take_as_long_as_the_final_model(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    by_val = SETTINGS.model_copy(update={"schedule": "plateau", "early_stop_patience": 3, "epochs": 200})
    train_fold_models(bright_squares, UNET, by_val, 5, tmp_path, [1], 12)
    settings = trainings.calls[0].settings
    assert (settings.epochs, settings.schedule, settings.early_stop_patience) == (12, "cosine", None)
    assert settings.model_copy(update={"epochs": 200, "schedule": "plateau", "early_stop_patience": 3}) == by_val


@pytest.mark.parametrize(("crop", "sides"), [(32, {32, 64}), (0, {64})])
def test_the_size_of_images_and_of_crops_is_checked_before_the_training(
    bright_squares: Samples,
    trainings: Trainings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crop: int,
    sides: set[int],
) -> None:
    checked: list[int] = []
    monkeypatch.setattr(ImportedModel, "check_size", lambda _, size: checked.append(size))
    settings = TrainingSettings(augmentation=AugmentationSettings(crop=crop or None))
    train_base_model(bright_squares, MODULE, settings, 0, tmp_path)
    assert set(checked) == sides


def test_a_model_that_is_not_trained_here_is_checked_on_images_of_the_whole_data_set(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, outputs = [], []
    monkeypatch.setattr(ImportedModel, "check_size", lambda _, size: sizes.append(size))
    monkeypatch.setattr(ImportedModel, "check_output", lambda _, images: outputs.append(images))
    result = train_base_model(bright_squares, READY, SETTINGS, 0, tmp_path)
    assert trainings.calls == []
    assert result.network.settings == READY
    assert not result.network.training
    assert (list(result.history.columns), len(result.history)) == (["epoch"], 0)
    assert sizes == [64]
    rows = [0, 3, 7, 10, 13, 16, 20, 23]  # eight, evenly spaced over 24
    assert (outputs[0].numpy() == bright_squares.array("images", rows).transpose(0, 3, 1, 2)).all()


@pytest.mark.parametrize("images", [5, 8])
def test_the_output_of_a_network_is_looked_at_before_it_is_trained(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    outputs: list[torch.Tensor] = []
    monkeypatch.setattr(ImportedModel, "check_output", lambda _, images: outputs.append(images))
    monkeypatch.setattr(base_training, "CHECKED_IMAGES", images)
    train_base_model(bright_squares, MODULE, SETTINGS, 0, tmp_path)
    train = bright_squares.rows(["train"])
    rows = train[{5: [0, 3, 6, 8, 11], 8: [0, 2, 3, 5, 6, 8, 9, 11]}[images]]
    assert len(outputs) == 1
    assert (outputs[0].numpy() == bright_squares.array("images", rows).transpose(0, 3, 1, 2)).all()


def test_few_shot_queries_get_support_of_their_category(
    bright_squares: Samples, trainings: Trainings, tmp_path: Path
) -> None:
    few_shot = FewShotSettings(
        kind="few_shot", encoder="tu-mobilenetv3_small_050", width=16, shots=2, episodes_seed=3, encoder_weights=None
    )
    manifest = bright_squares.manifest.assign(**{CATEGORY: [f"category-{row // 12}" for row in range(24)]})
    manifest.attrs = bright_squares.manifest.attrs
    samples = Samples(manifest, bright_squares.stores)
    train_base_model(samples, few_shot, SETTINGS, 0, tmp_path)
    (call,) = trainings.calls
    assert isinstance(call.train, Episodes)
    assert isinstance(call.val, Episodes)
    val = manifest.iloc[samples.rows(["val"])]
    drawn = draw_episodes(val["sample_id"].tolist(), val[CATEGORY].tolist(), 2, 3)
    for query in range(len(val)):
        stored = samples.array("images", val.index[drawn[query]].to_numpy()).transpose(0, 3, 1, 2)
        for _ in range(2):
            assert (call.val[query]["support_images"].numpy() == stored).all(), "the same support in every epoch"
    assert call.train[0]["support_images"].shape == (2, 3, 32, 32)
    supports = {call.train[0]["support_masks"].numpy().tobytes() for _ in range(12)}
    assert len(supports) > 1, "another support in every epoch"
