"""Kinds of pictures that need a plugin are read where it is installed, and counted where it is not."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.data.readers import file_kinds
from prn_pipeline.data.readers.decoding import decode_image
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_images import images_below

Writer = Callable[..., Path]


def gradient() -> np.ndarray:
    ramp = np.linspace(20, 230, 64, dtype=np.uint8)
    return np.dstack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 90, np.uint8)])


@pytest.mark.parametrize("suffix", [".heic", ".heif", ".HEIC", ".avif"])
def test_heic_and_avif_are_images_where_pillow_reads_them(tmp_path: Path, suffix: str) -> None:
    if suffix.lower() not in file_kinds.PICTURES:
        pytest.skip(f"Pillow reads no {suffix} here")
    file_kinds.register_plugins()
    file = tmp_path / f"a{suffix}"
    Image.fromarray(gradient()).save(file, format="AVIF" if suffix == ".avif" else "HEIF", quality=95)
    assert np.abs(decode_image(file).astype(int) - gradient()).mean() < 4
    assert list(images_below(tmp_path, False, tmp_path / "out")) == ["a"]


def test_a_data_set_of_heic_images_is_read(write_dataset: Writer) -> None:
    pytest.importorskip("pillow_heif")
    root = write_dataset(["a", "b"], size=(64, 64))
    file_kinds.register_plugins()
    for key in "ab":
        with Image.open(root / f"roads/images/{key}.png") as picture:
            picture.save(root / f"roads/images/{key}.heic", format="HEIF")
        (root / f"roads/images/{key}.png").unlink()
    reader = make_reader("roads", DatasetSettings(), root)
    assert [reader.image(record).shape for record in reader.records()] == [(64, 64, 3)] * 2


def test_pictures_that_cannot_be_read_are_counted_when_a_folder_is_refined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "b.dng", "c.DNG", "d.psd", "notes.txt", ".hidden.psd"):
        (tmp_path / name).write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        assert list(images_below(tmp_path, False, tmp_path / "out")) == ["a"]
    assert "3 pictures are of kinds that are not read (2 .dng, 1 .psd)" in caplog.text


def test_a_folder_of_nothing_else_says_how_many_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "b.dng").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no image.*1 pictures are of kinds that are not read \(1 \.dng\).*Convert"):
        images_below(tmp_path, False, tmp_path / "out")


def test_without_the_plugin_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_kinds, "PICTURES", frozenset({".png"}))
    assert "prn_pipeline[heif]" in file_kinds.how_to_read([".heic", ".txt"])
    assert "jxl" in file_kinds.how_to_read([".jxl"])
    assert "Pillow 11.3" in file_kinds.how_to_read([".avif"])
    assert file_kinds.how_to_read([".psd"]) == "Convert them to PNG."


def test_files_of_other_kinds_in_a_data_set_are_counted_by_kind(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset(["a", "b"])
    for name in ("c.dng", "d.dng", "notes.txt", "Thumbs.db"):
        (root / "roads/images" / name).touch()
    with caplog.at_level(logging.WARNING):
        assert len(make_reader("roads", DatasetSettings(), root).records()) == 2
    assert "left out 3 files of kinds that are not read as pictures: 2 .dng, 1 .txt" in caplog.text
