"""Images with any number of bands and bits are scaled to one range."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.augmentation.transforms import Augmentation
from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.image_resizing import image_stretched
from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.data.readers.band_decoding import decode_bands
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.training.channels import channels_first

RNG = np.random.default_rng(0)
WIDE = RNG.integers(0, 65536, (20, 30, 5), dtype=np.uint16)


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.npz", "first.tif"])
def test_sixteen_bit_values_are_kept_for_either_order_of_axes(tmp_path: Path, name: str) -> None:
    stored = np.moveaxis(WIDE, 2, 0) if name == "first.tif" else WIDE
    file = tmp_path / name
    if name.endswith("npz"):
        np.savez(file, stored)
    elif name.endswith("npy"):
        np.save(file, stored)
    else:
        tifffile.imwrite(file, stored, photometric="minisblack")
    assert (decode_bands(file, BandSettings(count=5)) == WIDE).all()


def test_values_are_scaled_from_the_range_in_the_settings(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[-1.0, 0.0, 0.25, 0.5, 7.0]]))
    found = decode_bands(tmp_path / "a.npy", BandSettings(count=1, low=0, high=0.5))
    assert found[0, :, 0].tolist() == [0, 0, 32768, 65535, 65535]
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(tmp_path / "b.png")
    assert decode_bands(tmp_path / "b.png", BandSettings(count=1))[0, :, 0].tolist() == [0, 51 * 257, 65535]


def test_networks_see_sixteen_bits_on_the_scale_of_eight() -> None:
    eight = RNG.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    from_eight = pixel_values(channels_first(torch.from_numpy(eight)))
    from_sixteen = pixel_values(channels_first(torch.from_numpy(eight.astype(np.uint16) * 257)))
    assert torch.equal(from_eight, from_sixteen)


def test_a_stretched_image_of_sixteen_bits_is_like_one_of_eight() -> None:
    eight = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    one, other = image_stretched(eight, 16), image_stretched(eight.astype(np.uint16) * 257, 16)
    assert other.dtype == np.uint16
    assert other.shape == (16, 16, 3)
    assert np.abs(other / 257 - one).max() < 1.5


def test_augmentation_moves_all_bands_with_the_mask_and_changes_light_within_limits() -> None:
    image = torch.from_numpy(WIDE[:20, :20].astype(np.int32)).permute(2, 0, 1)
    mask = (image[0] > 30000).to(torch.uint8)
    torch.manual_seed(0)
    moved = Augmentation(AugmentationSettings(flips=True, turns=True))({"inputs": image, "masks": mask})
    assert ((moved["inputs"][0] > 30000) == (moved["masks"] == 1)).all()
    lit = Augmentation(AugmentationSettings(brightness=0.3, contrast=0.3))({"inputs": image, "masks": mask})
    assert lit["inputs"].dtype == torch.int32
    assert not torch.equal(lit["inputs"], image)
    assert 0 <= lit["inputs"].min() <= lit["inputs"].max() <= 65535


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 3), np.uint16), r"shape \(4, 4, 3\), expected \(height, width, 5\)"),
        (np.full((4, 4, 5), np.nan), "which has no natural range"),
        (np.zeros((4, 4, 5), np.int32), "which has no natural range"),
    ],
)
def test_arrays_that_do_not_fit_the_settings_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UserError, match=message):
        decode_bands(tmp_path / "a.npy", BandSettings(count=5))


def test_nan_and_damaged_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 4, 5), np.nan))
    with pytest.raises(UserError, match="NaN"):
        decode_bands(tmp_path / "a.npy", BandSettings(count=5, low=0, high=1))
    (tmp_path / "b.tif").write_text("no image")
    with pytest.raises(UserError, match="cannot be read"):
        decode_bands(tmp_path / "b.tif", BandSettings(count=5))


def test_settings_know_their_channels_and_refuse_half_a_range() -> None:
    assert DatasetSettings().channels == 3
    assert DatasetSettings.model_validate({"bands": {"count": 7}}).channels == 7
    for wrong, message in (({"count": 2, "low": 1}, "both"), ({"count": 2, "low": 5, "high": 5}, "below high")):
        with pytest.raises(ValueError, match=message):
            BandSettings.model_validate(wrong)
