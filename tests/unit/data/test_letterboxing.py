"""Letterboxed samples: an image keeps its aspect, and everything comes back to where it was."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from prn_pipeline.data.batches import read_batches
from prn_pipeline.data.canvas import LETTERBOXED, Canvas, LongSide, canvas_of
from prn_pipeline.data.image_resizing import image_placed, mask_placed
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.map_geometry import unpadded
from prn_pipeline.data.resizing import placed_maps
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.pipelines.ingestion.nodes import ingest

SIDES = st.integers(1, 90)
CANVASES = st.builds(Canvas, st.integers(16, 80), st.integers(16, 80), st.just(True))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (256, Canvas(256, 256, False)),
        ([128, 256], Canvas(128, 256, True)),
        ({"long_side": 512}, Canvas(512, 512, True)),
    ],
)
def test_settings_and_their_dumps_mean_the_same_canvas(size: Any, expected: Canvas) -> None:
    given = DatasetSettings.model_validate({"image_size": size})
    assert canvas_of(given.image_size) == canvas_of(given.model_dump(mode="json")["image_size"]) == expected
    assert given.model_dump(mode="json")["image_size"] == size


@pytest.mark.parametrize("size", [15, [256], [256, 8], [1, 2, 3], {"long_side": 4}, {"short_side": 64}, "large", 25.5])
def test_other_sizes_are_refused(size: Any) -> None:
    with pytest.raises(ValidationError):
        DatasetSettings.model_validate({"image_size": size})


@given(SIDES, SIDES, CANVASES)
def test_an_image_fills_one_side_of_the_canvas_and_lies_in_the_middle_of_the_other(
    height: int, width: int, canvas: Canvas
) -> None:
    region = canvas.region((height, width))
    assert region.height == canvas.height or region.width == canvas.width
    assert abs(region.height / height - region.width / width) <= 1 / min(height, width)
    for before, after in canvas.padding(region):
        assert 0 <= after - before <= 1
    maps = np.arange(canvas.height * canvas.width).reshape(canvas.shape)
    np.testing.assert_array_equal(region.of(maps), unpadded(maps, (height, width), "letterbox"))


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 9), st.integers(0, 2**31))
def test_a_mask_that_is_enlarged_by_a_whole_number_comes_back_pixel_for_pixel(
    height: int, width: int, factor: int, free: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).choice(np.array([0, 1, 255], np.uint8), (height, width))
    for canvas in (
        Canvas(factor * height + free, factor * width, True),
        Canvas(factor * height, factor * width + free, True),
    ):
        placed, region = mask_placed(mask, canvas), canvas.region(mask.shape)
        assert placed.shape == canvas.shape
        assert region.shape == (factor * height, factor * width)
        np.testing.assert_array_equal(region.of(placed)[::factor, ::factor], mask)


@settings(deadline=None)
@given(SIDES, SIDES, CANVASES, st.integers(0, 2**31))
def test_the_region_shows_what_a_plain_resize_shows_and_all_else_is_ignored(
    height: int, width: int, canvas: Canvas, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image, mask = rng.integers(0, 256, (height, width, 3), dtype=np.uint8), rng.integers(0, 2, (height, width))
    region = canvas.region((height, width))
    size = (region.width, region.height)
    placed, labels = image_placed(image, canvas), mask_placed(mask.astype(np.uint8), canvas)
    assert placed.shape == (*canvas.shape, 3)
    assert placed.dtype == labels.dtype == np.uint8
    plain = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(region.of_images(placed[None])[0], plain)
    plain = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST))
    np.testing.assert_array_equal(region.of(labels), plain)
    assert (labels == 255).sum() == labels.size - plain.size


def test_padding_mirrors_the_image_and_its_maps_alike() -> None:
    image = np.random.default_rng(0).integers(0, 60000, (16, 32, 2)).astype(np.uint16)
    canvas = Canvas(32, 32, True)
    placed = image_placed(image, canvas)
    assert placed.dtype == np.uint16
    np.testing.assert_array_equal(placed[:8], image[:8][::-1])
    np.testing.assert_array_equal(placed[24:], image[8:][::-1])
    maps = image[..., 0].astype(np.float32)[None] / 60000
    found = placed_maps(torch.from_numpy(maps), canvas, (16, 32))[0]
    np.testing.assert_array_equal(found[:8], maps[0, :8][::-1].astype(np.float16))


def test_maps_of_any_size_are_placed_by_the_aspect_of_their_image() -> None:
    squares = torch.zeros(2, 20, 20)
    squares[:, :10] = 5
    found = placed_maps(squares, Canvas(16, 64, True), (100, 50))
    assert found.shape == (2, 16, 64)
    region = Canvas(16, 64, True).region((100, 50))
    assert region.shape == (16, 8)
    assert (region.of(found)[:, :7] == 5).all()
    assert (region.of(found)[:, 9:] == 0).all()


def written(root: Path, sizes: list[tuple[int, int]]) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / "roads" / kind).mkdir(parents=True)
    for number, size in enumerate(sizes):
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        mask = 255 * rng.integers(0, 2, size, dtype=np.uint8)
        Image.fromarray(image).save(root / "roads/images" / f"s{number}.png")
        Image.fromarray(mask).save(root / "roads/masks" / f"s{number}.png")
    return root


SIZES = [(20, 40), (40, 20), (30, 30), (24, 33), (33, 24), (30, 31)]


def test_samples_of_a_letterboxed_data_set_have_one_shape_and_say_so(tmp_path: Path) -> None:
    root = written(tmp_path, SIZES)
    settings = DatasetSettings.model_validate({"image_size": [32, 64], "folds": 2})
    reader = make_reader("roads", settings, root)
    manifest = inspect("roads", settings, reader)
    assert manifest.attrs[LETTERBOXED] is True
    images, masks = next(read_batches(reader, manifest, settings.image_size, 6))
    assert images.shape == (6, 32, 64, 3)
    assert masks.shape == (6, 32, 64)
    for mask, native in zip(masks, manifest[["native_height", "native_width"]].to_numpy(), strict=True):
        region = canvas_of(settings.image_size).region(tuple(native))
        assert set(np.unique(region.of(mask))) == {0, 1}
        assert (mask == 255).sum() == mask.size - region.height * region.width


def test_two_sizes_are_two_identities_and_a_plain_number_keeps_its_own(tmp_path: Path) -> None:
    root = written(tmp_path, SIZES)
    found = {}
    for size in (32, [32, 32], {"long_side": 32}, [32, 64]):
        _, manifest, _ = ingest("roads", {"image_size": size, "folds": 2}, str(root))
        found[str(size)] = manifest.attrs["samples"]
    assert found["32"].endswith("-32")
    assert found["[32, 32]"] == found["{'long_side': 32}"]
    assert len(set(found.values())) == 3


def test_images_that_are_stretched_by_more_than_a_tenth_are_named_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = written(tmp_path, SIZES)
    with caplog.at_level(logging.WARNING):
        inspect("roads", plain := DatasetSettings(image_size=32, folds=2), make_reader("roads", plain, root))
    (message,) = (record.getMessage() for record in caplog.records if "stretched" in record.getMessage())
    assert "4 of 6 images are stretched by more than 10 % in aspect" in message
    assert "s0 (20 x 40), s1 (40 x 20), s3 (24 x 33), ..." in message
    assert "`image_size: {long_side: 32}`" in message
    caplog.clear()
    kept = DatasetSettings(image_size=LongSide(long_side=32), folds=2)
    with caplog.at_level(logging.WARNING):
        inspect("roads", kept, make_reader("roads", kept, root))
    assert "stretched" not in caplog.text
