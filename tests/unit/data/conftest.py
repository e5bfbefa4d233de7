"""A small data set on disk, which each test changes as it needs."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DatasetWriter = Callable[..., Path]


@pytest.fixture
def write_dataset(tmp_path: Path) -> DatasetWriter:
    """write_dataset(ids, folder="roads", size=(12, 10)) -> data root; images .png of noise, masks .png of 0/255."""

    def write(ids: Iterable[str], folder: str = "roads", size: tuple[int, int] = (12, 10)) -> Path:
        for sample_id in ids:
            rng = np.random.default_rng([ord(letter) for letter in folder + sample_id])
            for kind in ("images", "masks"):
                (tmp_path / folder / kind).mkdir(parents=True, exist_ok=True)
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            mask = np.where(rng.random(size) < 0.3, 255, 0).astype(np.uint8)
            mask[0, 0], mask[-1, -1] = 255, 0
            Image.fromarray(image).save(tmp_path / folder / "images" / f"{sample_id}.png")
            Image.fromarray(mask).save(tmp_path / folder / "masks" / f"{sample_id}.png")
        return tmp_path

    return write
