"""Masks that are written as annotations come back as they were: of small drawn ones, and of real data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from prn_pipeline.data.discovery.proposal import propose_block
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from tests.unit.data.annotation_writers import OF_OUTLINES, OF_PIXELS, TRACED, Images, Objects

Writer = Callable[[Path, Images, Objects], None]
WRITERS = OF_PIXELS | OF_OUTLINES | TRACED


def masks_read(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """The masks under the settings that `prn init` proposes, by the stem of the image."""
    found = propose_block(folder.name, folder.parent, folder.name)
    reader = make_reader(found.name, DatasetSettings(**found.block), found.data_root)
    return {record.sample_id: reader.mask(record) for record in reader.records()}


def objects_of(mask: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Connected components, by turns of two categories."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    return [("cell" if number % 2 else "dust", labels == number) for number in range(1, count + 1)]


def assert_round_trip(folder: Path, writer: Writer, images: Images, masks: dict[str, NDArray[np.bool_]]) -> None:
    folder.mkdir()
    writer(folder, images, {name: objects_of(mask) for name, mask in masks.items()})
    read = masks_read(folder)
    assert set(read) == set(masks)
    for name in list(masks):
        np.testing.assert_array_equal(read[name], masks[name], err_msg=name)


def blobs(number: int) -> NDArray[np.bool_]:
    """Blobs with holes that touch the border, 37 x 53; number 0 has none."""
    noise = np.random.default_rng(number).normal(size=(37, 53))
    return (ndimage.gaussian_filter(noise, 2) > 0.05) & (number > 0)


@pytest.mark.parametrize("name", WRITERS)
def test_drawn_masks_come_back(name: str, tmp_path: Path) -> None:
    masks = {f"photo {number}": blobs(number) for number in range(4)}
    if name not in OF_PIXELS:
        masks = {image: ndimage.binary_fill_holes(mask) for image, mask in masks.items()}
    images = {image: np.full((37, 53, 3), 90, np.uint8) for image in masks}
    assert_round_trip(tmp_path / "cells", WRITERS[name], images, masks)


@pytest.mark.parametrize("name", OF_OUTLINES)
def test_outlines_lose_holes(name: str, tmp_path: Path) -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:15, 4:22] = True
    mask[6:9, 8:13] = False
    folder = tmp_path / "cells"
    folder.mkdir()
    OF_OUTLINES[name](folder, {"a": np.zeros((20, 30, 3), np.uint8)}, {"a": [("cell", mask)]})
    np.testing.assert_array_equal(masks_read(folder)["a"], ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize("dataset", ["dsb2018_nuclei", "kvasir_seg", "crackforest"])
@pytest.mark.parametrize("name", WRITERS)
def test_real_masks_come_back(name: str, dataset: str, data_root: Path, tmp_path: Path) -> None:
    files = sorted((data_root / dataset / "masks").iterdir())[::40][:3]
    photos = {path.stem: path for path in (data_root / dataset / "images").iterdir()}
    masks = {path.stem: np.asarray(Image.open(path).convert("L")) > 127 for path in files}
    assert len(masks) == 3
    if name not in OF_PIXELS:
        masks = {image: ndimage.binary_fill_holes(mask) for image, mask in masks.items()}
    images = {image: np.asarray(Image.open(photos[image]).convert("RGB")) for image in masks}
    assert_round_trip(tmp_path / dataset, WRITERS[name], images, masks)
