"""Images in, masks out, whatever form they come in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import prn_pipeline
from prn_pipeline.data.settings import BandSettings
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_ensemble import FoldEnsemble
from prn_pipeline.refinement.refiner import Refiner
from prn_pipeline.refinement.settings import PatchRefineNetSettings, RegionDetailSettings
from prn_pipeline.segmentation import BaseModel, BaseModelSettings
from prn_pipeline.serving import Predictor, PredictorSettings
from prn_pipeline.training.tiling import Tiles

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (50, 90), (33, 20))]


def predictor(classes: int = 1, tile: int = 64) -> Predictor:
    """Random, but not idle: what starts at zero is filled."""
    torch.manual_seed(0)
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", classes=classes)).eval()
    small = {"members": 2, "detail_width": 4, "detail_levels": 2, "region_width": 4}
    refiner = FoldEnsemble(
        RegionDetailSettings.model_validate({"network": "region_detail", "reads": ["views", "images"]} | small)
    ).eval()
    for parameter in refiner.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return Predictor(base, refiner, PredictorSettings(image_size=64, tiles=Tiles(size=tile, overlap=32)))


def test_every_form_of_an_image_gives_the_same_mask_at_its_own_size(tmp_path: Path) -> None:
    served = predictor()
    files = []
    for number, image in enumerate(IMAGES):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    arrays = served.predict(IMAGES)
    for image, found in zip(IMAGES, arrays, strict=True):
        assert found.mask.shape == found.probabilities.shape == image.shape[:2]
        assert found.mask.dtype == np.uint8
        assert ((found.probabilities > 0.5) == (found.mask == 1)).all()
        assert np.ptp(found.probabilities) > 0
    for again in (served.predict(files), served.predict(tmp_path), served.predict([str(file) for file in files])):
        assert all((a.mask == b.mask).all() for a, b in zip(arrays, again, strict=True))
    assert (served.predict(np.stack([IMAGES[0]] * 2))[1].mask == served.predict(IMAGES[0])[0].mask).all()


def test_a_saved_predictor_says_the_same(tmp_path: Path) -> None:
    served = predictor()
    served.save(tmp_path / "model")
    loaded = prn_pipeline.Predictor.load(tmp_path / "model")
    for a, b in zip(served.predict(IMAGES), loaded.predict(IMAGES), strict=True):
        assert (a.probabilities == b.probabilities).all()
    assert not list(tmp_path.glob("*partial*"))


def test_classes_have_ids_and_probabilities_that_sum_to_one() -> None:
    found = predictor(classes=3).predict(IMAGES[1])[0]
    assert found.probabilities.shape == (3, 50, 90)
    assert found.probabilities.sum(0) == pytest.approx(1, abs=1e-5)
    assert set(np.unique(found.mask)) <= {0, 1, 2}


def test_a_large_scene_keeps_its_scale() -> None:
    scene = RNG.integers(0, 256, (150, 210, 3), dtype=np.uint8)
    found = predictor(tile=96).predict(scene, at_own_scale=True)[0]
    assert found.mask.shape == (150, 210)
    assert np.isfinite(found.probabilities).all()
    alone = predictor().predict(IMAGES[0], at_own_scale=True)[0]  # as large as in training: nothing to stretch
    assert (alone.mask == predictor().predict(IMAGES[0])[0].mask).all()


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8)]
)
def test_what_is_no_image_is_named(wrong: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"image 1 is an array of .* expected uint8 \(height, width, 3\), RGB"):
        predictor().predict([IMAGES[0], wrong])


def test_bands_are_scaled_alike_from_arrays_and_files(tmp_path: Path) -> None:
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", channels=4)).eval()
    refiner = FoldEnsemble(RegionDetailSettings(network="region_detail", members=2, detail_width=4))
    bands = BandSettings(count=4, low=0, high=10000)
    served = Predictor(base, refiner, PredictorSettings(image_size=64, bands=bands))
    image = RNG.integers(0, 10001, (50, 70, 4)).astype(np.uint16)
    np.save(tmp_path / "a[1].npy", image)
    for one in (image, image.astype(np.float32), tmp_path / "a[1].npy", tmp_path):
        assert (served.predict(one)[0].probabilities == served.predict(image)[0].probabilities).all()
    with pytest.raises(UserError, match=r"image 0: an array of shape \(8, 8, 3\), expected \(height, width, 4\)"):
        served.predict(np.zeros((8, 8, 3), np.uint16))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image among them"):
        served.predict(tmp_path / "empty")


def test_files_that_are_missing_or_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no saved predictor: it has no base\.safetensors"):
        Predictor.load(tmp_path)
    served = predictor()
    served.save(tmp_path / "model")
    (tmp_path / "model" / "predictor.json").write_text("{")
    with pytest.raises(UserError, match=r"predictor\.json cannot be read"):
        Predictor.load(tmp_path / "model")
    with pytest.raises(UserError, match="no such file"):
        served.predict(tmp_path / "nowhere.png")


def test_the_papers_network_is_served_too_and_features_are_not() -> None:
    base = predictor().base
    paper = Refiner(PatchRefineNetSettings(width=8, grid=2)).eval()
    assert Predictor(base, paper, PredictorSettings(image_size=64)).predict(IMAGES[0])[0].mask.shape == (64, 64)
    reading = RegionDetailSettings(network="region_detail", reads=("features",), feature_channels=16)
    with pytest.raises(UserError, match="reads features"):
        Predictor(base, FoldEnsemble(reading), PredictorSettings(image_size=64))
