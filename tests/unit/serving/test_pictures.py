"""Masks, probabilities and overlays as files, pixel by pixel."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.serving.pictures import (
    ADDED,
    CLASSES,
    KEPT,
    OPACITY,
    REMOVED,
    mask_picture,
    probability_bytes,
    write_mask,
    write_overlay,
    write_probabilities,
)

GREY = 100


def square(top: int, left: int, side: int = 9) -> np.ndarray:
    mask = np.zeros((40, 50), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def overlay(path: Path, image: np.ndarray, mask: np.ndarray, base: np.ndarray, classes: int = 1) -> np.ndarray:
    write_overlay(path / "overlay.png", image, mask, base, classes)
    return np.asarray(Image.open(path / "overlay.png")).astype(int)


def test_an_overlay_shows_what_the_refiner_kept_added_and_removed(tmp_path: Path) -> None:
    kept, added, removed = square(3, 3), square(3, 25), square(25, 3)
    image = np.full((40, 50, 3), GREY, np.uint8)
    found = overlay(tmp_path, image, kept | added, kept | removed)
    for area, colour in ((kept, KEPT), (added, ADDED), (removed, REMOVED)):
        top, left = np.argwhere(area)[0]
        inside = [int((1 - OPACITY) * GREY + OPACITY * value) for value in colour]
        assert found[top + 4, left + 4] == pytest.approx(inside, abs=1)
        assert found[top, left].tolist() == list(colour), "an outline of full colour"
        assert found[top + 1, left + 1] == pytest.approx(inside, abs=1), "an outline of one pixel"
    outside = (kept | added | removed) == 0
    assert (found[outside] == GREY).all()


def test_an_overlay_of_classes_outlines_each_in_its_own_colour(tmp_path: Path) -> None:
    mask = 2 * square(3, 3) + 5 * square(20, 20)
    image = np.full((40, 50, 3), GREY, np.uint8)
    found = overlay(tmp_path, image, mask.astype(np.uint8), np.zeros_like(mask), classes=6)
    for value, corner in ((0, (0, 30)), (2, (3, 3)), (5, (20, 20))):
        assert found[corner].tolist() == list(CLASSES[3 * value : 3 * value + 3])
    for centre in ((7, 7), (24, 24), (15, 15)):
        assert found[centre].tolist() == [GREY] * 3


def test_class_colours_start_again_after_the_last(tmp_path: Path) -> None:
    colours = len(CLASSES) // 3
    mask = (colours + 1) * square(3, 3)
    found = overlay(tmp_path, np.full((40, 50, 3), GREY, np.uint8), mask.astype(np.uint8), mask, classes=colours + 2)
    assert found[3, 3].tolist() == list(CLASSES[3:6])


def test_an_overlay_of_many_bands_shows_the_first_three(tmp_path: Path) -> None:
    image = np.full((40, 50, 5), 257 * GREY, np.uint16)
    found = overlay(tmp_path, image, square(3, 3), square(3, 3))
    assert (found[30:, 30:] == GREY).all()


def test_a_mask_file_is_black_and_white_or_has_class_ids_under_a_palette(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", square(3, 3), 1)
    picture = Image.open(tmp_path / "mask.png")
    assert picture.mode == "L"
    assert (np.asarray(picture) == 255 * square(3, 3)).all()
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shown = mask_picture(ids, 256)
    assert shown.mode == "P"
    assert (np.asarray(shown) == ids).all()
    palette = shown.getpalette()
    assert palette is not None
    assert (len(palette), palette[: len(CLASSES)]) == (256 * 3, list(CLASSES))
    assert palette[len(CLASSES) : 2 * len(CLASSES)] == list(CLASSES)
    assert mask_picture(ids, 2).mode == "P"


def test_probabilities_are_written_with_sixteen_bits_or_as_an_array(tmp_path: Path) -> None:
    values = np.array([[0, 1, 0.5], [0.25, 1e-5, 0.75]], np.float32)
    write_probabilities(tmp_path / "one.png", values)
    picture = np.asarray(Image.open(tmp_path / "one.png"))
    assert picture.tolist() == [[0, 65535, 32768], [16384, 1, 49151]]
    write_probabilities(tmp_path / "many.png", np.stack([values, 1 - values]))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["many.npy", "one.png"]
    found = np.load(tmp_path / "many.npy")
    assert found.dtype == np.float32
    assert (found == np.stack([values, 1 - values])).all()
    assert (np.load(io.BytesIO(probability_bytes(np.stack([values] * 3)))) == values).all()


FILLING = """
import resource, sys
from pathlib import Path
import numpy as np
from prn_pipeline.serving.pictures import write_overlay
noise, mask = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8), np.zeros((200, 200), np.uint8)
write_overlay(Path(sys.argv[1], "whole.jpg"), noise, mask, mask, 1)
room = Path(sys.argv[1], "whole.jpg").stat().st_size - 1
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
write_overlay(Path(sys.argv[1], "part.jpg"), noise, mask, mask, 1)
"""


def test_a_picture_of_which_the_disk_takes_only_a_part_is_an_error_and_no_file(tmp_path: Path) -> None:
    filling = subprocess.run(
        [sys.executable, "-c", FILLING, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "File too large" in filling.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["whole.jpg"]
