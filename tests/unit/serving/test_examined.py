"""Everything that a predictor says of an image: base maps, statistics, batches, and what a saved one holds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prn_pipeline.data.image_resizing import image_stretched
from prn_pipeline.data.resizing import at_size, stretch
from prn_pipeline.data.store.checksums import digest
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions, describe
from prn_pipeline.serving import predictor as module
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predicted import from_logits
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import DriftSettings, RequestLimits
from tests.unit.serving.conftest import map_predictor, random_predictor

DRAW = np.random.default_rng(0)
IMAGES = [DRAW.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (50, 90), (33, 20))]


def same(found: Descriptions, expected: Descriptions) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-2)


@pytest.mark.parametrize("classes", [1, 3])
def test_base_maps_masks_and_statistics_are_those_of_each_image(classes: int) -> None:
    served = random_predictor(classes)
    found = list(served.examine(Item(image) for image in IMAGES))
    stretched = np.stack([image_stretched(image, 64) for image in IMAGES])
    logits = served.logits(stretched)
    assert logits.base.shape == logits.refined.shape == (3, classes, 64, 64)
    assert (logits.base.dtype, logits.refined.dtype) == (np.float16, np.float16)
    assert (logits.base != logits.refined).any()
    for number, (examined, image) in enumerate(zip(found, IMAGES, strict=True)):
        row = slice(number, number + 1)
        np.testing.assert_array_equal(examined.base, logits.base[number])
        expected = from_logits(logits.refined[number], image.shape[:2])
        np.testing.assert_array_equal(examined.predicted.mask, expected.mask)
        np.testing.assert_array_equal(examined.predicted.probabilities, expected.probabilities)
        np.testing.assert_array_equal(examined.base_mask, from_logits(logits.base[number], image.shape[:2]).mask)
        assert examined.base_mask.shape == image.shape[:2]
        same(examined.description, describe(stretched[row], logits.base[row], logits.refined[row]))


def test_an_image_at_its_own_scale_has_a_base_mask_and_statistics_too() -> None:
    served = random_predictor(tile=96)
    scene = DRAW.integers(0, 256, (150, 210, 3), dtype=np.uint8)
    (found,) = served.examine([Item(scene)], at_own_scale=True)
    padded = np.pad(scene, ((0, 10), (0, 14), (0, 0)), mode="symmetric")
    logits = served.logits(padded[None])
    base, refined = (one[0, :, :150, :210] for one in logits)
    np.testing.assert_array_equal(found.base, base)
    np.testing.assert_array_equal(found.predicted.mask, refined[0] > 0)
    np.testing.assert_array_equal(found.base_mask, base[0] > 0)
    sampled = (one[None, :, ::2, ::2] for one in (base, refined))  # 150 pixels are two images of training
    same(found.description, describe(image_stretched(scene, 64)[None], *sampled))


def test_maps_cannot_be_refined_at_their_own_scale() -> None:
    maps = DRAW.normal(size=(1, 50, 90)).astype(np.float32)
    for item in (Item(None, maps), Item(IMAGES[1], maps)):
        message = "^maps of another program cannot be refined with at_own_scale: pass images without maps$"
        with pytest.raises(UserError, match=message):
            list(map_predictor().examine([item], at_own_scale=True))


def test_maps_of_another_program_are_brought_to_the_size_of_training() -> None:
    maps = [DRAW.normal(0, 2, (1, *size)).astype(np.float32) for size in ((50, 90), (64, 64))]
    served = map_predictor()
    found = list(served.examine([Item(None, one) for one in maps]))
    stored = np.stack([at_size(torch.from_numpy(one), 64) for one in maps])
    logits = served.logits(None, stored)
    np.testing.assert_array_equal(logits.base, stored)
    for number, (examined, one) in enumerate(zip(found, maps, strict=True)):
        row = slice(number, number + 1)
        np.testing.assert_array_equal(examined.base, stored[number])
        assert examined.predicted.mask.shape == one.shape[-2:]
        np.testing.assert_array_equal(examined.predicted.mask, from_logits(logits.refined[number], one.shape[-2:]).mask)
        expected = describe(None, logits.base[row], logits.refined[row])
        assert np.isnan(examined.description.values).tolist() == np.isnan(expected.values).tolist()
        same(examined.description, expected)


@pytest.mark.parametrize(
    ("batch_size", "pixels", "own", "sizes"),
    [
        (2, 2**23, False, [2, 1]),
        (16, 2**23, False, [3]),
        (16, 2 * 64 * 64, False, [2, 1]),
        (16, 1, False, [1, 1, 1]),
        (16, 2**23, True, [1, 1, 1]),
    ],
)
def test_batches_are_as_large_as_the_settings_and_the_memory_allow(
    monkeypatch: pytest.MonkeyPatch, batch_size: int, pixels: int, own: bool, sizes: list[int]
) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_PIXELS", pixels)
    base = random_predictor()
    served = Predictor(base.base, base.refiner, base.settings.model_copy(update={"batch_size": batch_size}))
    asked: list[int] = []
    logits = served._networks.logits

    def recorded(images: Any, *maps: Any) -> Any:
        asked.append(len(images))
        return logits(images, *maps)

    monkeypatch.setattr(served._networks, "logits", recorded)
    assert len(list(served.examine((Item(image) for image in IMAGES), own))) == 3
    assert asked == sizes


def test_large_images_are_as_many_pixels_as_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_PIXELS", 3 * 64 * 64)
    base = random_predictor()
    served = Predictor(base.base, base.refiner, base.settings.model_copy(update={"image_size": 96}))
    asked: list[int] = []
    monkeypatch.setattr(
        module, "examine_on_canvas", lambda networks, canvas, batch, *given: asked.append(len(batch)) or []
    )
    list(served.examine([Item(image) for image in IMAGES * 2]))
    assert asked == [3, 3], "a tile has 64 pixels a side"


def test_the_shape_of_an_item_is_that_of_its_image_or_else_of_its_maps() -> None:
    maps = np.zeros((3, 5, 7), np.float32)
    assert Item(None, maps).shape == (5, 7)
    assert Item(IMAGES[1], maps).shape == (50, 90)
    assert Item(IMAGES[1]).shape == (50, 90)


def test_inputs_that_are_missing_are_named() -> None:
    with pytest.raises(UserError, match=r"^the input has neither images nor maps: pass images$"):
        random_predictor().logits(None)
    message = "^this predictor refines maps of another program and has no base model: pass maps$"
    with pytest.raises(UserError, match=message):
        map_predictor().logits(image_stretched(IMAGES[0], 64)[None])
    with pytest.raises(UserError) as caught:
        map_predictor(inputs=("tta", "images")).logits(None, np.zeros((1, 1, 64, 64), np.float16))
    assert str(caught.value) == (
        "the refiner reads logits and tta and images, but the input has no tta and no images: pass them too, or train a"
        " refiner that needs maps only (prn_maps)"
    )


@pytest.mark.parametrize("classes", [1, 3])
def test_masks_come_from_logits_that_are_stretched_to_the_image(classes: int) -> None:
    logits = DRAW.normal(0, 2, (classes, 8, 8)).astype(np.float16)
    found = from_logits(logits, (20, 30))
    maps = np.stack([stretch(one.astype(np.float32), (20, 30)) for one in logits])
    probabilities = 1 / (1 + np.exp(-maps))
    assert (found.mask.dtype, found.probabilities.dtype) == (np.uint8, np.float32)
    if classes == 1:
        np.testing.assert_array_equal(found.mask, maps[0] > 0)
        np.testing.assert_allclose(found.probabilities, probabilities[0], atol=1e-6)
    else:
        np.testing.assert_array_equal(found.mask, maps.argmax(0))
        np.testing.assert_allclose(found.probabilities, probabilities / probabilities.sum(0), atol=1e-5)


def changed(served: Predictor, **settings: Any) -> Predictor:
    return Predictor(served.base, served.refiner, served.settings.model_copy(update=settings))


def test_the_digest_depends_on_what_masks_depend_on_and_on_nothing_else() -> None:
    served = random_predictor()
    for equal in (
        {"made_by": "another run"},
        {"learned_from": ("1",)},
        {"drift": DriftSettings(level=0.5)},
        {"limits": RequestLimits(images=1)},
    ):
        assert changed(served, **equal).digest == served.digest
    others = [{"image_size": 96}, {"classes": ("a",)}, {"white": 4095}, {"batch_size": 2}]
    digests = {changed(served, **other).digest for other in others}
    swapped = Predictor(random_predictor(seed=1).base, served.refiner, served.settings).digest
    refined = Predictor(served.base, random_predictor(seed=1).refiner, served.settings).digest
    assert len({served.digest, swapped, refined, *digests}) == len(others) + 3
    assert len(served.digest) == 64


def test_a_saved_predictor_has_a_digest_of_each_file_and_keeps_its_reference(tmp_path: Path) -> None:
    base = random_predictor()
    reference = describe(np.stack([IMAGES[0]] * 2), *(2 * [DRAW.normal(size=(2, 1, 64, 64)).astype(np.float16)]))
    settings = base.settings.model_copy(update={"made_by": "roads/unet/prn/seed-0", "learned_from": ("1", "2")})
    Predictor(base.base, base.refiner, settings, reference).save(tmp_path / "model")
    described = json.loads((tmp_path / "model" / "predictor.json").read_text())
    files = {file.name for file in (tmp_path / "model").iterdir()} - {"predictor.json"}
    assert files == {*("base.safetensors", "base.json", "refiner.safetensors", "refiner.json", "reference.safetensors")}
    assert described["digests"] == {name: digest((tmp_path / "model" / name).read_bytes()) for name in files}
    assert described["made_by"] == "roads/unet/prn/seed-0"
    loaded = Predictor.load(str(tmp_path / "model"))
    assert loaded.settings == settings
    assert loaded.reference is not None
    for one, other in zip(loaded.reference, reference, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (loaded.base.settings, loaded.refiner.settings) == (base.base.settings, base.refiner.settings)


@pytest.mark.parametrize("name", ["base.safetensors", "base.json", "refiner.json", "reference.safetensors"])
@pytest.mark.parametrize("removed", [True, False])
def test_a_file_that_is_not_the_one_that_was_saved_is_named(tmp_path: Path, name: str, removed: bool) -> None:
    base = random_predictor()
    reference = describe(None, *(2 * [np.zeros((2, 1, 64, 64), np.float16)]))
    Predictor(base.base, base.refiner, base.settings, reference).save(tmp_path / "model")
    file = tmp_path / "model" / name
    if removed:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(UserError) as caught:
        Predictor.load(tmp_path / "model")
    if removed and name == "base.safetensors":
        assert str(caught.value) == (
            f"{tmp_path / 'model'} is not a saved predictor: it has no base.safetensors. Pass the folder that"
            " `Predictor.save` wrote, or an address such as models:/NAME@champion"
        )
    else:
        assert str(caught.value) == (
            f"{file} is not the file that was saved with predictor.json: download the predictor again, or save it again"
            " with the pipeline promotion"
        )


def test_settings_of_a_predictor_that_make_no_sense_are_an_error(tmp_path: Path) -> None:
    random_predictor().save(tmp_path / "model")
    file = tmp_path / "model" / "predictor.json"
    content = {key: value for key, value in json.loads(file.read_text()).items() if key != "checksum"}
    file.write_text(json.dumps(content | {"image_size": -3}))
    with pytest.raises(UserError, match=r"(?s)model: predictor\.json or reference\.safetensors cannot be read \(1 val"):
        Predictor.load(tmp_path / "model")


@pytest.mark.parametrize("own", [True, False])
def test_images_are_refined_at_their_own_scale_only_if_asked(monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    served, asked = random_predictor(), []
    examine = served.examine

    def recorded(items: Any, at_own_scale: bool = False) -> Any:
        asked.append(at_own_scale)
        return examine(items, at_own_scale)

    monkeypatch.setattr(served, "examine", recorded)
    (found,) = served.stream(IMAGES[0], own)
    (again,) = served.predict(IMAGES[0], own)
    served.predict(IMAGES[0])
    assert asked == [own, own, False]
    np.testing.assert_array_equal(found.mask, again.mask)
