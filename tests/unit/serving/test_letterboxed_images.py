"""A predictor whose images keep their aspect gives masks of the images' own size, without any trace of padding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from prn_pipeline.data.canvas import Canvas
from prn_pipeline.data.image_resizing import image_placed
from prn_pipeline.metrics.descriptions import describe
from prn_pipeline.metrics.map_quality.statistics import quality_statistics
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from tests.unit.serving.conftest import map_predictor, random_predictor

RNG = np.random.default_rng(0)
SHAPES = [(40, 120), (120, 40), (64, 96), (90, 90)]
IMAGES = [RNG.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


def with_size(predictor: Predictor, image_size: Any) -> Predictor:
    settings = type(predictor.settings).model_validate({**predictor.settings.model_dump(), "image_size": image_size})
    return Predictor(predictor.base, predictor.refiner, settings)


@pytest.mark.parametrize("size", [{"long_side": 64}, [64, 96]])
@pytest.mark.parametrize("classes", [1, 3])
def test_masks_are_those_of_the_part_of_the_canvas_that_shows_the_image(size: Any, classes: int) -> None:
    served = with_size(random_predictor(classes), size)
    canvas = Canvas(64, 96 if isinstance(size, list) else 64, True)
    found = list(served.examine(Item(image) for image in IMAGES))
    assert [examined.predicted.mask.shape for examined in found] == SHAPES
    together = served.logits(np.stack([image_placed(image, canvas) for image in IMAGES]))  # one batch, as in `examine`
    for number, (image, examined) in enumerate(zip(IMAGES, found, strict=True)):
        native = image.shape[:2]
        top, left, height, width = canvas.region(native)
        region = (height, width)
        logits = (maps[number : number + 1] for maps in together)
        base, refined = (maps[..., top : top + height, left : left + width].astype(np.float32) for maps in logits)
        places = [(np.arange(after) + 0.5) * before / after - 0.5 for before, after in zip(region, native, strict=True)]
        grid = np.meshgrid(*places, indexing="ij")
        stretched = np.stack([ndimage.map_coordinates(one, grid, order=1, mode="nearest") for one in refined[0]])
        expected = stretched[0] > 0 if classes == 1 else stretched.argmax(0)
        assert np.mean(examined.predicted.mask != expected) < 0.01
        assert examined.base.shape[-2:] == (height, width)
        shown = image_placed(image, canvas)[None][:, top : top + height, left : left + width]
        assert (
            examined.description.values == describe(shown, *(m.astype(np.float16) for m in (base, refined))).values
        ).all()
        quality = quality_statistics(base.astype(np.float16), refined.astype(np.float16))[0]
        np.testing.assert_array_equal(examined.quality(), quality)


def test_maps_of_another_program_come_back_where_they_were() -> None:
    served = with_size(map_predictor(), {"long_side": 64})
    served = Predictor(served.base, Unchanged(served.refiner), served.settings)  # type: ignore[arg-type]
    assert len(SHAPES) == 4
    for native in SHAPES:
        logits = np.full((1, *native), -6.0, np.float32)
        logits[:, : native[0] // 2, native[1] // 4 :] = 6.0
        (examined,) = served.examine([Item(None, logits)])
        expected = ndimage.binary_erosion(logits[0] > 0, iterations=3, border_value=1)
        assert examined.predicted.mask.shape == native
        assert examined.predicted.mask[expected].all()
        assert not examined.predicted.mask[ndimage.binary_erosion(logits[0] < 0, iterations=3, border_value=1)].any()


class Unchanged(torch.nn.Module):
    """A refiner that leaves maps as they are."""

    replaces_base_model = False
    sees_whole_maps = True
    arrays = ("logits",)

    def __init__(self, other: Refiner) -> None:
        super().__init__()
        self.settings = other.settings

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits


def test_a_saved_predictor_keeps_the_shape_and_a_scene_keeps_its_own_scale(tmp_path: Path) -> None:
    served = with_size(random_predictor(tile=96), {"long_side": 64})
    served.save(tmp_path / "model")
    again = Predictor.load(tmp_path / "model")
    assert again.settings.canvas == Canvas(64, 64, True)
    assert again.digest == served.digest != random_predictor(tile=96).digest
    for one, other in zip(served.predict(IMAGES), again.predict(IMAGES), strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
    scene = RNG.integers(0, 256, (130, 270, 3), dtype=np.uint8)
    (examined,) = served.examine([Item(scene)], at_own_scale=True)
    assert examined.predicted.mask.shape == (130, 270)
    assert np.isfinite(examined.description.values).all()
