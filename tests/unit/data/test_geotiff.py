"""GeoTIFF images: pixels without data are ignored, whatever the value that says so."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits
from prn_pipeline.data.readers.decoding import read_image
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.geotiff import is_georeferenced, nodata_of, pixels_without_data
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

rasterio = pytest.importorskip("rasterio")
Writer = Callable[..., Path]
IDS = [f"s{number}" for number in range(6)]


def write_tif(path: Path, bands: np.ndarray, nodata: float | None = None, **more: Any) -> None:
    """A GeoTIFF file of bands (count, H, W)."""
    count, height, width = bands.shape
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5400000)} | more
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=bands.dtype, nodata=nodata, **place
    ) as file:
        file.write(bands)


def data_set(write_dataset: Writer, dtype: str, count: int, nodata: float | None) -> Path:
    """Images whose first three rows, in the last band the first four, hold `nodata`."""
    root = write_dataset(IDS)
    rng = np.random.default_rng(0)
    for name in IDS:
        (root / f"roads/images/{name}.png").unlink()
        bands = rng.integers(1, 200, (count, 12, 10)).astype(dtype)
        if nodata is not None:
            bands[:, :3], bands[-1, :4] = nodata, nodata
        write_tif(root / f"roads/images/{name}.tif", bands, nodata)
    return root


@pytest.mark.parametrize(
    ("dtype", "count", "nodata", "block"),
    [
        ("uint8", 3, 0, {}),
        ("uint8", 3, 255, {}),
        ("uint16", 1, 65535, {}),
        ("int16", 1, -9999, {}),
        ("float32", 2, -3.4028234663852886e38, {"bands": {"count": 2, "low": 1, "high": 200}}),
        ("float32", 2, math.nan, {"bands": {"count": 2, "low": 1, "high": 200}}),
        ("uint16", 5, 0, {"bands": {"count": 5}}),
    ],
)
def test_pixels_without_data_are_ignored_and_dark(
    write_dataset: Writer, dtype: str, count: int, nodata: float, block: dict[str, Any]
) -> None:
    root = data_set(write_dataset, dtype, count, nodata)
    settings = DatasetSettings.model_validate({"folds": 2, **block})
    reader = make_reader("roads", settings, root)
    records = reader.records()
    assert len(records) == len(IDS)
    rows = 4 if count == 1 else 3  # a pixel counts if one of its bands has data
    for record in records:
        mask, sample = reader.mask(record), reader.examine(record)
        np.testing.assert_array_equal(mask == 255, np.arange(12)[:, None] < rows + np.zeros(10, int))
        np.testing.assert_array_equal(sample.mask, mask)
        assert set(np.unique(mask[rows:])) == {0, 1}
        assert (sample.image[:rows] == 0).all()
        assert (reader.image(record)[:rows] == 0).all()
        assert sample.image[rows:, :, 0].any()
    manifest = inspect("roads", settings, reader)
    assert (manifest["foreground"] > 0).all()


def test_without_a_declared_value_nothing_is_ignored(write_dataset: Writer) -> None:
    root = data_set(write_dataset, "uint8", 3, None)
    reader = make_reader("roads", DatasetSettings(), root)
    masks = [reader.mask(record) for record in reader.records()]
    assert len(masks) == len(IDS)
    assert (np.stack(masks) != 255).all()


@pytest.mark.parametrize(("nodata", "expected"), [(None, None), (0, 0.0), (-9999, -9999.0), (1e30, 1e30)])
def test_the_value_is_that_of_gdal(tmp_path: Path, nodata: float | None, expected: float | None) -> None:
    write_tif(tmp_path / "a.tif", np.ones((1, 4, 4), np.float32), nodata)
    assert nodata_of(tmp_path / "a.tif") == expected
    if expected is not None:
        with rasterio.open(tmp_path / "a.tif") as file:
            assert file.nodata == pytest.approx(expected)


def test_only_tiff_files_on_a_map_are_georeferenced(tmp_path: Path, write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    assert not is_georeferenced(root / "roads/images/a.png")
    assert not is_georeferenced(tmp_path / "nowhere.tif")
    write_tif(tmp_path / "a.tif", np.ones((1, 4, 4), np.uint8))
    assert is_georeferenced(tmp_path / "a.tif")
    import tifffile

    tifffile.imwrite(tmp_path / "b.tif", np.ones((4, 4), np.uint8))
    assert not is_georeferenced(tmp_path / "b.tif")


def test_limits_hold_for_what_is_read_again(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", np.ones((1, 400, 400), np.uint8), 0)
    assert pixels_without_data(tmp_path / "a.tif", DEFAULT_LIMITS) is not None
    with pytest.raises(UserError, match="its header declares 400 x 400 pixels"):
        pixels_without_data(tmp_path / "a.tif", ReadLimits(gibibytes=1e-5))


def test_a_value_that_no_pixel_can_have_changes_nothing(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 200, (3, 8, 8)).astype(np.uint8)
    import tifffile

    tifffile.imwrite(
        tmp_path / "a.tif", bands.transpose(1, 2, 0), photometric="rgb", extratags=[(42113, "s", 0, "-9999", True)]
    )
    assert nodata_of(tmp_path / "a.tif") == -9999
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, bands.transpose(1, 2, 0))
    found = pixels_without_data(tmp_path / "a.tif", DEFAULT_LIMITS)
    assert found is not None
    assert not found.any()
