"""NIfTI files of one slice are images and masks; volumes are refused with the remedy."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prn_pipeline.data.discovery.proposal import propose_block
from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.read_limits import Declared, ReadLimits
from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.data.readers.band_decoding import decode_bands
from prn_pipeline.data.readers.decoding import decode_image, read_image
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.file_kinds import kind_of, stem_of
from prn_pipeline.data.readers.headers.declared import declared_size
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.readers.stored_size import stored_size
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_images import images_below

nibabel = pytest.importorskip("nibabel")
Writer = Callable[..., Path]
RNG = np.random.default_rng(0)


def write_nifti(path: Path, values: np.ndarray, kind: type | None = None) -> Path:
    """A NIfTI file of an array whose first axis is that of the columns."""
    nibabel.save((kind or nibabel.Nifti1Image)(values, np.eye(4)), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("shape", [(10, 12), (10, 12, 1), (10, 12, 1, 1)])
def test_a_slice_is_an_image_and_a_mask(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    stored = RNG.integers(0, 256, shape, dtype=np.uint8)
    path = write_nifti(tmp_path / name, stored)
    expected = stored.reshape(10, 12).T
    assert declared_size(path)[:2] == (12, 10)
    np.testing.assert_array_equal(decode_image(path), np.stack([expected] * 3, axis=-1))
    np.testing.assert_array_equal(read_mask(path).values, expected)
    np.testing.assert_array_equal(read_array(path), expected)


def test_values_of_sixteen_bits_need_a_scale_and_negative_ones_a_range(tmp_path: Path) -> None:
    stored = RNG.integers(0, 3000, (10, 12)).astype(np.int16)
    assert read_image(write_nifti(tmp_path / "a.nii", stored)).wide
    np.testing.assert_array_equal(read_image(tmp_path / "a.nii").pixels[..., 0], stored.T)
    write_nifti(tmp_path / "b.nii", stored - 1000)
    with pytest.raises(UserError, match=r"bands: \{count: 1, low: -"):
        read_image(tmp_path / "b.nii")
    found = decode_bands(tmp_path / "b.nii", BandSettings(count=1, low=-1000, high=2000))
    np.testing.assert_allclose(found[..., 0], stored.T / 3000 * 65535, atol=0.51)


def test_colours_are_colours(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, (10, 12, 1, 3), dtype=np.uint8)
    stored = np.ascontiguousarray(colours).view([("R", "u1"), ("G", "u1"), ("B", "u1")]).reshape(10, 12, 1)
    path = write_nifti(tmp_path / "a.nii", stored)
    np.testing.assert_array_equal(decode_image(path), colours[:, :, 0].swapaxes(0, 1))


def test_a_volume_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", np.zeros((10, 12, 5), np.uint8))
    for reader in (read_image, read_mask):
        with pytest.raises(UserError) as caught:
            reader(path)
        assert str(caught.value) == (
            f"{path}: a volume of 10 x 12 x 5 values, expected one slice. Save each slice that is meant as a file of"
            " its own; if its third axis holds the bands of one image, set `bands: {count: 5}`."
        )
    assert decode_bands(path, BandSettings(count=5)).shape == (12, 10, 5)


def test_a_data_set_of_compressed_files_is_read(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    masks = {}
    for name in "ab":
        for kind in ("images", "masks"):
            (root / f"roads/{kind}/{name}.png").unlink()
        masks[name] = RNG.integers(0, 2, (10, 12, 1), dtype=np.uint8)
        write_nifti(root / f"roads/images/{name}.nii.gz", RNG.integers(0, 256, (10, 12), dtype=np.uint8))
        write_nifti(root / f"roads/masks/{name}.nii.gz", masks[name])
    (root / "roads/images/notes.txt.gz").write_bytes(b"x")
    reader = make_reader("roads", DatasetSettings(), root)
    records = reader.records()
    assert [record.sample_id for record in records] == ["a", "b"]
    for record in records:
        np.testing.assert_array_equal(reader.mask(record), masks[record.sample_id][..., 0].T)
        assert reader.examine(record).image.shape == (12, 10, 3)
    assert list(images_below(root / "roads/images", False, root / "out")) == ["a", "b"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_init_finds_them(tmp_path: Path, suffix: str) -> None:
    for kind in ("images", "masks"):
        (tmp_path / "slices" / kind).mkdir(parents=True)
        for number in range(4):
            values = RNG.integers(0, 256 if kind == "images" else 2, (64, 64), dtype=np.uint8)
            write_nifti(tmp_path / "slices" / kind / f"p{number}{suffix}", values)
    proposed = propose_block("slices", tmp_path, "slices")
    assert proposed.block == {"image_size": 64}
    assert proposed.samples == 4


def test_names_end_before_both_suffixes() -> None:
    assert [(kind_of(Path(n)), stem_of(Path(n))) for n in ("a.b.NII.GZ", "a.gz", "x/a.png", "nii.gz", "a")] == [
        (".nii.gz", "a.b"),
        (".gz", "a"),
        (".png", "a"),
        (".gz", "nii"),
        ("", "a"),
    ]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_the_header_declares_what_nibabel_reads(tmp_path: Path, kind: type, dtype: str) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", np.zeros((6, 7, 3, 2), dtype), kind)
    assert declared_size(path) == Declared(7, 6, 1, 6, np.dtype(dtype).itemsize)


def test_limits_hold_before_anything_is_decoded(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", np.zeros((64, 64), np.float32))
    for reader in (read_image, read_mask):
        with pytest.raises(UserError, match="its header declares 64 x 64 pixels"):
            reader(path, limits=ReadLimits(gibibytes=1e-7))
    write_nifti(tmp_path / "b.nii", np.zeros((4, 4, 300), np.uint8))
    with pytest.raises(UserError, match="300 pages, expected at most 20"):
        read_image(tmp_path / "b.nii", limits=ReadLimits(pages=20))


def changed(path: Path, place: int, value: bytes) -> Path:
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[place : place + len(value)] = value
    path.write_bytes(gzip.compress(bytes(content)))
    return path


def test_hostile_files_are_errors(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "whole.nii.gz", np.zeros((64, 64), np.uint8)).read_bytes()
    changes = {
        "a volume of 30000 x 30000 x 100 values": (40, struct.pack("<8h", 3, 30000, 30000, 100, 1, 1, 1, 1)),
        "declares the sides": (40, struct.pack("<8h", 2, -5, 64, 1, 1, 1, 1, 1)),
        "declares the sides .* and 0 bits": (72, struct.pack("<h", 0)),
        "begin at byte": (108, struct.pack("<f", 1e30)),
        "begin at byte nan": (108, struct.pack("<f", float("nan"))),
        "values are in another file": (344, b"ni1\0"),
    }
    for number, (message, change) in enumerate(changes.items()):
        path = tmp_path / f"{number}.nii.gz"
        path.write_bytes(whole)
        with pytest.raises(UserError, match=message):
            read_image(changed(path, *change))
    with pytest.raises(UserError, match="its header declares 30000 x 30000 pixels, 100 pages"):
        read_array(tmp_path / "0.nii.gz")
    (tmp_path / "torn.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"torn\.nii\.gz"):
        read_image(tmp_path / "torn.nii.gz")
    short = changed(tmp_path / "whole.nii.gz", 40, struct.pack("<8h", 2, 640, 640, 1, 1, 1, 1, 1))
    with pytest.raises(UserError, match=r"whole\.nii\.gz"):
        read_image(short)


def test_the_size_that_annotations_are_drawn_at_is_that_of_the_slice(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", np.zeros((10, 12, 1), np.uint8))
    assert stored_size(path, ReadLimits()).upright() == (12, 10)
