from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prn_pipeline.data.batches import read_batches
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]
IDS = [f"s{index}" for index in range(7)]
SETTINGS = DatasetSettings(folds=2)


def test_batches_keep_the_order_of_the_manifest_and_the_last_is_shorter(write_dataset: Writer) -> None:
    reader = make_reader("roads", SETTINGS, write_dataset(IDS, size=(16, 16)))
    manifest = inspect("roads", SETTINGS, reader).iloc[::-1]
    batches = list(read_batches(reader, manifest, image_size=16, batch_size=3))
    assert [len(images) for images, _ in batches] == [3, 3, 1]
    images, masks = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert images.shape == (7, 16, 16, 3)
    assert masks.shape == (7, 16, 16)
    assert images.dtype == masks.dtype == np.uint8
    for row, record in enumerate(reversed(reader.records())):
        np.testing.assert_array_equal(images[row], reader.image(record))
        np.testing.assert_array_equal(masks[row], reader.mask(record))


def test_images_are_antialiased_and_masks_keep_their_values(write_dataset: Writer) -> None:
    root = write_dataset(IDS, size=(64, 96))
    reader = make_reader("roads", SETTINGS, root)
    images, masks = next(read_batches(reader, inspect("roads", SETTINGS, reader), image_size=16, batch_size=7))
    native = torch.from_numpy(np.stack([reader.image(record) for record in reader.records()])).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(native.float(), (16, 16), mode="bilinear", antialias=True)
    assert np.abs(images - expected.permute(0, 2, 3, 1).numpy()).max() < 1.0
    assert set(np.unique(masks)) == {0, 1}
    np.testing.assert_array_equal(masks[0], reader.mask(reader.records()[0])[2::4, 3::6])


def test_no_more_than_two_batches_are_decoded_ahead(write_dataset: Writer) -> None:
    reader = make_reader("roads", SETTINGS, write_dataset([f"s{index:02d}" for index in range(40)]))
    manifest = inspect("roads", SETTINGS, reader)
    decoded: list[str] = []

    class Counting:
        records = staticmethod(reader.records)
        mask = staticmethod(reader.mask)

        def image(self, record: Record) -> np.ndarray:
            decoded.append(record.sample_id)
            return reader.image(record)

    next(read_batches(Counting(), manifest, image_size=16, batch_size=4))
    assert len(decoded) <= 8


def test_a_missing_sample_is_named(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    reader = make_reader("roads", SETTINGS, root)
    manifest = inspect("roads", SETTINGS, reader)
    for kind in ("images", "masks"):
        (root / "roads" / kind / "s3.png").unlink()
    with pytest.raises(UserError, match=r"no files any more: s3\."):
        next(read_batches(reader, manifest, image_size=16, batch_size=4))


def test_a_file_that_has_become_unreadable_is_named(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    reader = make_reader("roads", SETTINGS, root)
    manifest = inspect("roads", SETTINGS, reader)
    Image.new("RGB", (4, 4)).save(root / "roads/masks/s3.png")
    (root / "roads/images/s3.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"s3\.png"):
        list(read_batches(reader, manifest, image_size=16, batch_size=4))
