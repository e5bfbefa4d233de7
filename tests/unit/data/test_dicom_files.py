"""DICOM files are read as they are meant to be shown; as masks and with bands, by their values."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prn_pipeline.data.file_settings import BandSettings, MaskSettings
from prn_pipeline.data.read_limits import ReadLimits
from prn_pipeline.data.readers import file_kinds
from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.data.readers.band_decoding import decode_bands
from prn_pipeline.data.readers.decoding import decode_image, read_image
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.headers.declared import declared_size
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_images import images_below

pydicom = pytest.importorskip("pydicom")
Writer = Callable[..., Path]
RNG = np.random.default_rng(0)


def write_dicom(path: Path, pixels: np.ndarray, space: str = "MONOCHROME2", **tags: Any) -> Path:
    """A DICOM file of pixels (H, W), (frames, H, W) or, for RGB, (H, W, 3)."""
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    colour = space == "RGB"
    dataset.Rows, dataset.Columns = pixels.shape[:2] if colour or pixels.ndim == 2 else pixels.shape[1:]
    if pixels.ndim == 3 and not colour:
        dataset.NumberOfFrames = len(pixels)
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = space, 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = tags.pop("BitsStored", dataset.BitsAllocated)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_window_is_applied_by_the_formula_of_the_standard(tmp_path: Path) -> None:
    stored = RNG.integers(0, 4096, (9, 7)).astype(np.uint16)
    tags = {"BitsStored": 12, "RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 40, "WindowWidth": 400}
    path = write_dicom(tmp_path / "a.dcm", stored, **tags)
    found = decode_image(path)
    values = stored.astype(float) * 2 - 1000
    expected = np.where(
        values <= 40 - 0.5 - 399 / 2,
        0,
        np.where(values > 40 - 0.5 + 399 / 2, 255, ((values - 39.5) / 399 + 0.5) * 255),
    )
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert (found == found[..., :1]).all()
    again = write_dicom(tmp_path / "b.dcm", stored, "MONOCHROME1", **tags)
    np.testing.assert_array_equal(decode_image(again), 255 - found)
    two = write_dicom(tmp_path / "c.dcm", stored, **tags | {"WindowCenter": [40, 300], "WindowWidth": [400, 2000]})
    np.testing.assert_array_equal(decode_image(two), found)


def test_without_a_window_wide_values_are_scaled_by_white(tmp_path: Path) -> None:
    stored = RNG.integers(0, 4096, (9, 7)).astype(np.uint16)
    found = read_image(write_dicom(tmp_path / "a.dcm", stored, BitsStored=12))
    assert found.wide
    np.testing.assert_array_equal(found.pixels[..., 0], stored)
    shown = decode_image(tmp_path / "a.dcm", white=4095)
    np.testing.assert_allclose(shown[..., 0], stored / 4095 * 255, atol=0.51)
    write_dicom(tmp_path / "b.dcm", stored, "MONOCHROME1", BitsStored=12)
    np.testing.assert_array_equal(decode_image(tmp_path / "b.dcm", white=4095), 255 - shown)


def test_eight_bits_and_colours_are_pictures(tmp_path: Path) -> None:
    grey, rgb = RNG.integers(0, 256, (9, 7), dtype=np.uint8), RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_image(write_dicom(tmp_path / "a.dcm", grey))[..., 1], grey)
    inverted = decode_image(write_dicom(tmp_path / "b.dcm", grey, "MONOCHROME1"))
    np.testing.assert_array_equal(inverted[..., 1], 255 - grey)
    np.testing.assert_array_equal(decode_image(write_dicom(tmp_path / "c.dcm", rgb, "RGB")), rgb)


def test_hounsfield_units_without_a_window_name_the_key(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 24, np.int16), RescaleSlope=1, RescaleIntercept=-1024)
    with pytest.raises(UserError, match=r"a\.dcm: pixel values from -1000 to -1000.*bands: \{count: 1, low: -1000"):
        read_image(path)
    bands = decode_bands(path, BandSettings(count=1, low=-1000, high=1000))
    assert bands.shape == (4, 4, 1)
    assert (bands == 0).all()


def test_arrays_are_rescaled_and_bright_where_values_are_high(tmp_path: Path) -> None:
    stored = np.arange(16, dtype=np.uint16).reshape(4, 4)
    path = write_dicom(tmp_path / "a.dcm", stored, "MONOCHROME1", BitsStored=12, RescaleSlope=2, RescaleIntercept=1)
    np.testing.assert_array_equal(read_array(path), (4095 - stored.astype(int)) * 2 + 1)
    signed = write_dicom(tmp_path / "b.dcm", stored.astype(np.int16), "MONOCHROME1")
    np.testing.assert_array_equal(read_array(signed), -1 - stored.astype(int))


def test_a_mask_is_the_values_that_are_stored(tmp_path: Path) -> None:
    ids = RNG.integers(0, 3, (9, 7), dtype=np.uint8)
    path = write_dicom(tmp_path / "a.dcm", ids, RescaleSlope=5, RescaleIntercept=7, WindowCenter=1, WindowWidth=2)
    np.testing.assert_array_equal(read_mask(path).values, ids)


def test_several_frames_are_an_error_with_the_key_that_decides(tmp_path: Path) -> None:
    frames = RNG.integers(0, 2, (3, 5, 4), dtype=np.uint8)
    path = write_dicom(tmp_path / "a.dcm", frames)
    with pytest.raises(UserError, match=r"an image of 3 pages \(or frames\), expected one\. Set `first_page: true`"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, first_page=True).pixels[..., 0], frames[0])
    with pytest.raises(UserError, match=r"a mask of 3 pages \(or frames\)"):
        read_mask(path)
    np.testing.assert_array_equal(read_mask(path, MaskSettings(pages="unite")).values, frames)
    np.testing.assert_array_equal(read_mask(path, MaskSettings(pages="first")).values, frames[0])
    with pytest.raises(UserError, match="3 frames, expected one"):
        read_array(path)


def test_a_data_set_of_dicom_files_is_read(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    masks = {}
    for name in "ab":
        for kind in ("images", "masks"):
            (root / f"roads/{kind}/{name}.png").unlink()
        masks[name] = RNG.integers(0, 2, (12, 10), dtype=np.uint8)
        write_dicom(root / f"roads/images/{name}.dcm", RNG.integers(0, 256, (12, 10), dtype=np.uint8))
        write_dicom(root / f"roads/masks/{name}.dcm", masks[name])
    reader = make_reader("roads", DatasetSettings(), root)
    records = reader.records()
    assert [record.sample_id for record in records] == ["a", "b"]
    for record in records:
        np.testing.assert_array_equal(reader.mask(record), masks[record.sample_id])
        assert reader.examine(record).image.shape == (12, 10, 3)
    assert list(images_below(root / "roads/images", False, root / "out")) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("CT_small.dcm", (128, 128)),
        ("MR_small_RLE.dcm", (64, 64)),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100)),
        ("examples_jpeg2k.dcm", None),
    ],
)
def test_files_of_other_programs_are_read(name: str, shape: tuple[int, int] | None) -> None:
    found = pydicom.data.get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom comes without {name}")
    path = Path(str(found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        declared = declared_size(path)
        values = read_array(path)
    assert values.shape[:2] == (declared.height, declared.width)
    assert shape is None or values.shape[:2] == shape


def test_limits_hold_before_anything_is_decoded(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.zeros((64, 64), np.uint16))
    for reader in (read_image, read_mask):
        with pytest.raises(UserError, match="its header declares 64 x 64 pixels"):
            reader(path, limits=ReadLimits(gibibytes=1e-7))
    write_dicom(tmp_path / "b.dcm", np.zeros((4, 4), np.uint16), Rows=60000, Columns=60000)
    with pytest.raises(UserError, match="its header declares 60000 x 60000 pixels"):
        read_image(tmp_path / "b.dcm")


def test_hostile_files_are_errors(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.zeros((64, 64), np.uint8))
    content = path.read_bytes()
    for length in (140, 300, len(content) // 2):
        (tmp_path / "b.dcm").write_bytes(content[:length])
        with pytest.raises(UserError, match=r"b\.dcm"):
            read_image(tmp_path / "b.dcm")
    deflated = pydicom.dcmread(path)
    deflated.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    deflated.save_as(tmp_path / "c.dcm")
    with pytest.raises(UserError, match="compressed as a whole"):
        read_image(tmp_path / "c.dcm")


def test_a_jpeg_that_is_larger_than_its_file_declares_is_refused(tmp_path: Path) -> None:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (3000, 3000)).save(file, "JPEG")
    path = write_dicom(tmp_path / "a.dcm", np.zeros((8, 8), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    dataset.PixelData = pydicom.encaps.encapsulate([file.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(UserError, match="3000 x 3000 pixels in a place for 64 pixels"):
        read_image(path)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_kinds, "PICTURES", frozenset({".png"}))
    for kind in (".dcm", ".nii", ".nii.gz"):
        assert "pip install 'prn_pipeline[formats]'" in file_kinds.how_to_read([kind])
