"""Each predictor is evaluated on the maps that its own settings name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.scores import mean_iou
from prn_pipeline.refinement.region_detail.correction import UNCHANGED
from prn_pipeline.refinement.region_detail.correction_strength import Selection
from prn_pipeline.segmentation.protocol import DatasetPlace
from prn_pipeline.serving.evaluation import TestImages, count_pixels
from prn_pipeline.serving.predictor import Predictor
from tests.unit.serving.conftest import map_predictor

NAMES = ["a", "b"]


def unrefined(**reading: str) -> Predictor:
    """A predictor whose masks are its maps at p > 0.5."""
    made = map_predictor(**reading)
    made.refiner.select(Selection(UNCHANGED, 0.5, 0.5, 0.5))  # type: ignore[attr-defined]
    return made


@pytest.fixture
def images(tmp_path: Path) -> TestImages:
    """Two images, with probabilities of an older model in `maps-1` and logits of a newer one in `maps-2`."""
    folder = tmp_path / "roads"
    for name in ("images", "masks", "maps-1", "maps-2"):
        (folder / name).mkdir(parents=True)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    for name in NAMES:
        Image.fromarray(np.stack([mask] * 3, axis=-1)).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        half = np.where(mask > 0, 0.9, 0.1).astype(np.float32)
        half[:, :32] = 0.1
        np.save(folder / "maps-1" / f"{name}.npy", half)
        np.save(folder / "maps-2" / f"{name}.npy", np.where(mask > 0, 4, -4).astype(np.float32))
    manifest = pd.DataFrame({"sample_id": NAMES, "native_height": 64, "native_width": 64})
    reader = make_reader("roads", DatasetSettings(), tmp_path)
    return TestImages(manifest, reader, DatasetPlace("roads", None, tmp_path))


def test_every_predictor_reads_its_own_maps_in_its_own_way(images: TestImages) -> None:
    older, newer = unrefined(folder="maps-1"), unrefined(folder="maps-2", values="logits")
    assert mean_iou(count_pixels(older, images).sum(0)) == pytest.approx(0.5)
    assert mean_iou(count_pixels(newer, images).sum(0)) == pytest.approx(1)


def test_missing_maps_of_a_predictor_are_an_error_that_names_their_folder(images: TestImages) -> None:
    with pytest.raises(UserError, match="maps-3"):
        count_pixels(unrefined(folder="maps-3"), images)
