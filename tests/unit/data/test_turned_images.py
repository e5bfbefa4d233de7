"""An image that its EXIF orientation turns, and a mask without one, are a warning where sizes prove nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.file_facts import ImageFacts, MaskFacts
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.turned_images import Pair, warn_of_turned

Writer = Callable[..., Path]


def pair(image: int, mask: int, height: int, width: int) -> Pair:
    return Pair("a.jpg", ImageFacts("8-bit RGB", 0, 255, image), MaskFacts((0, 255), mask), height, width)


@pytest.mark.parametrize(
    ("image", "mask", "size", "count"),
    [
        (6, 1, (64, 64), 1),
        (6, 1, (96, 64), 0),  # equal sizes prove that the mask is upright
        (3, 1, (96, 64), 1),
        (2, 1, (96, 64), 1),
        (1, 3, (96, 64), 1),
        (6, 8, (96, 64), 1),
        (6, 6, (64, 64), 0),
        (1, 1, (64, 64), 0),
    ],
)
def test_only_what_sizes_cannot_prove_is_counted(image: int, mask: int, size: tuple[int, int], count: int) -> None:
    assert warn_of_turned("roads", [pair(image, mask, *size)] * 2) == 2 * count


def test_ingestion_warns_with_a_count_and_files(write_dataset: Writer, caplog: pytest.LogCaptureFixture) -> None:
    root = write_dataset([f"s{index:02d}" for index in range(12)], size=(12, 12))
    exif = Image.Exif()
    exif[274] = 3
    for index in (4, 7):
        file = root / f"roads/images/s{index:02d}.png"
        Image.fromarray(np.asarray(Image.open(file))).save(file, exif=exif)
    settings = DatasetSettings(folds=3)
    inspect("roads", settings, make_reader("roads", settings, root))
    assert "2 images are turned" in caplog.text
    assert "roads/images/s04.png, roads/images/s07.png" in caplog.text
