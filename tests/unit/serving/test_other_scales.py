"""A predictor makes the maps at other scales of an image that its refiner reads."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.segmentation import scaled_tta
from prn_pipeline.segmentation.network_source import cached_maps
from prn_pipeline.segmentation.scaled_tta import OtherScales
from prn_pipeline.serving.onnx_export import export_onnx
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.tiling import Tiles
from tests.unit.serving.conftest import random_predictor, random_refiner

RNG = np.random.default_rng(0)
SCALES = (0.75, 1.25)


def scaled_predictor(inputs: tuple[str, ...] = ("tta_scales",), classes: int = 1, tile: int = 64) -> Predictor:
    base = random_predictor(classes=classes).base
    names = tuple("abc"[:classes]) if classes > 1 else ()
    settings = PredictorSettings(image_size=64, classes=names, tiles=Tiles(size=tile, overlap=32))
    return Predictor(base, random_refiner(inputs), settings)


def cached(predictor: Predictor, images: np.ndarray, folder: Path) -> np.ndarray:
    """The mean over scales as the logit cache holds it, float16 (images, classes, H, W)."""
    classes = predictor.base.settings.classes
    manifest = pd.DataFrame({"sample_id": [str(n) for n in range(len(images))]})
    manifest.attrs[IDENTITY] = "random"
    write_arrays(folder / "s.zarr", ArrayStream([{"images": images}], {IDENTITY: "random"}))
    samples = Samples(manifest, {"samples": ArrayStore(folder / "s.zarr")})
    maps = manifest.loc[np.repeat(manifest.index, classes)].assign(model="base", seen_in_training=False)
    models = {"base": predictor.base.runnable}
    tiles = predictor.settings.tiles
    (batch,) = cached_maps(samples, maps, models, 8, ["tta"], tiles, tta_scales=SCALES)  # type: ignore[arg-type]
    return batch["tta_scales"].reshape(len(images), classes, *images.shape[1:3])


@pytest.mark.parametrize(("classes", "side", "tile"), [(1, 64, 64), (3, 64, 64), (1, 96, 64)])
def test_the_mean_over_scales_is_that_of_the_logit_cache(classes: int, side: int, tile: int, tmp_path: Path) -> None:
    served = scaled_predictor(classes=classes, tile=tile)
    images = RNG.integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    served.refiner.correction = Correction(1.0, 0.0)  # type: ignore[assignment]
    found = served.logits(images)
    expected = cached(served, images, tmp_path)
    np.testing.assert_allclose(found.refined, expected, rtol=2e-3, atol=2**-8)
    assert np.abs(found.refined - found.base).max() > 0.05


@pytest.mark.parametrize("inputs", [("tta_scales",), ("tta", "tta_scales", "images")])
def test_a_refiner_of_other_scales_refines_images_of_any_size(inputs: tuple[str, ...], tmp_path: Path) -> None:
    served = scaled_predictor(inputs)
    served.save(tmp_path / "model")
    loaded = Predictor.load(tmp_path / "model")
    assert loaded.refiner.settings.tta_scales == SCALES
    image = RNG.integers(0, 256, (50, 90, 3), dtype=np.uint8)
    first, second = (predictor.predict(image)[0] for predictor in (served, loaded))
    assert first.mask.shape == (50, 90)
    assert np.ptp(first.probabilities) > 0
    assert (first.probabilities == second.probabilities).all()


def test_enlarged_images_are_predicted_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    served = scaled_predictor()
    images = RNG.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    together = served.logits(images).refined
    sizes: list[int] = []
    whole = OtherScales.forward

    def counted(self: OtherScales, batch: torch.Tensor, *support: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        return whole(self, batch, *support)

    monkeypatch.setattr(OtherScales, "forward", counted)
    monkeypatch.setattr(scaled_tta, "MAX_BATCH_PIXELS", 2 * 96**2)
    parts = served.logits(images).refined
    assert sizes == [2, 2], "the larger scale of 64 pixels is 96"
    np.testing.assert_allclose(parts, together, rtol=2e-3, atol=2**-6)


def test_a_refiner_of_other_scales_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"reads maps at other scales of the image, .*: export .* such as trees"):
        export_onnx(scaled_predictor(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
