"""A refiner that reads image and map: from the stores, through training, to refined maps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.settings import TrainingSettings

WITH_IMAGE = PatchRefineNetSettings(width=4, grid=2, image=True, loss="dice", fusion="average")


@pytest.fixture
def labelled(bright_squares: Samples, tmp_path: Path) -> Samples:
    """Samples with the masks as pseudo-labels."""
    labels = bright_squares.array("masks", np.arange(len(bright_squares.manifest)))
    attributes = {IDENTITY: bright_squares.manifest.attrs[IDENTITY]}
    write_arrays(tmp_path / "pseudo_labels.zarr", ArrayStream([{"labels": labels}], attributes))
    stores = bright_squares.stores | {"pseudo_labels": ArrayStore(tmp_path / "pseudo_labels.zarr")}
    return Samples(bright_squares.manifest, stores)


def test_a_refiner_learns_from_image_and_map_and_predicts_from_both(labelled: Samples, tmp_path: Path) -> None:
    settings = TrainingSettings.model_validate(
        {"epochs": 2, "batch_size": 2, "precision": "fp32", "augmentation": {"flips": True, "brightness": 0.2}}
    )
    maps = assign_models(labelled.manifest, "holdout", {})
    trained = train_refiner(LearningMaps(labelled, maps), WITH_IMAGE, FittingPlan(settings, 0, tmp_path / "c"))
    refiner = trained.network
    assert isinstance(refiner, PaperRefiner)
    assert np.isfinite(trained.history["train_loss"]).all()
    rows = labelled.rows(["test"])
    found = np.concatenate(list(predict_logits(refiner, labelled, rows, refiner.arrays, batch_size=4)))
    logits = torch.from_numpy(labelled.array("logits", rows)).float().unsqueeze(1)
    images = torch.from_numpy(labelled.array("images", rows)).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = refiner(logits, images)[:, 0].numpy()
        without = refiner(logits, torch.zeros_like(images))[:, 0].numpy()
    assert found.shape == (len(rows), 64, 64)
    assert found.dtype == np.float16
    assert np.abs(found - expected).mean() < 0.25 * np.abs(without - expected).mean(), (
        "the refiner got the images of its maps"
    )


def test_a_refiner_lists_the_arrays_that_it_reads() -> None:
    assert PaperRefiner(WITH_IMAGE).arrays == ("logits", "images")
    assert PaperRefiner(PatchRefineNetSettings(width=4)).arrays == ("logits",)


@pytest.mark.parametrize(("image", "message"), [(True, "was given no images"), (False, "was given images")])
def test_missing_and_unexpected_images_are_errors(image: bool, message: str) -> None:
    refiner = PaperRefiner(PatchRefineNetSettings(width=4, grid=0, image=image))
    images = [] if image else [torch.zeros(1, 3, 16, 16, dtype=torch.uint8)]
    with pytest.raises(UserError, match=message):
        refiner(torch.zeros(1, 1, 16, 16), *images)
