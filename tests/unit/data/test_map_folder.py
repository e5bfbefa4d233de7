"""Maps are found by sample id, and errors name what is missing."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError

HALF = np.full((20, 30), 0.5, np.float32)


def folder(root: Path, pattern: str = "maps", expression: str | None = None) -> MapFolder:
    return MapFolder(root, pattern, expression, MapReading())


def write(root: Path, *names: str, values: np.ndarray = HALF) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / name, values)


def test_a_folder_a_pattern_and_an_expression(tmp_path: Path) -> None:
    write(tmp_path, "maps/a.npy", "maps/b.npy", "test/out/c_prob.npy", "val/out/d_prob.npy")
    (tmp_path / "maps" / ".hidden.npy").write_text("no map")
    (tmp_path / "maps" / "readme.txt").write_text("no map")
    plain = folder(tmp_path)
    assert len(plain) == 2
    assert "a" in plain
    assert "c" not in plain
    assert folder(tmp_path, "*/out", r"(.+)_prob").logits("d", (20, 30)).shape == (20, 30)


@pytest.mark.parametrize("container", ["maps.npz", "maps.zarr"])
def test_one_container_may_hold_all_maps(tmp_path: Path, container: str) -> None:
    arrays = {"a": HALF, "b": HALF + 0.25}
    if container.endswith("npz"):
        np.savez(tmp_path / container, **arrays)
    else:
        group = zarr.open_group(tmp_path / container, mode="w")
        for name, values in arrays.items():
            group.create_array(name, data=values)
    maps = folder(tmp_path)
    assert maps.place == folder(tmp_path, container).place
    assert len(maps) == 2
    assert maps.logits("b", (20, 30)) == pytest.approx(np.log(3), abs=1e-5)


def test_zarr_arrays_in_a_folder_are_maps_and_their_chunks_are_not(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for name in ("a", "b"):
        zarr.save_array(tmp_path / "maps" / f"{name}.zarr", HALF)
    for pattern in ("maps", "maps/*", "**/*.zarr"):
        assert len(folder(tmp_path, pattern)) == 2, pattern


def test_folders_and_maps_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "maps/a.npy", "twice/a.npy", "twice/x/a.npy")
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="no such folder"):
        folder(tmp_path, "elsewhere")
    with pytest.raises(UserError, match="no maps"):
        folder(tmp_path, "none")
    with pytest.raises(UserError, match=r"more than one map: a\.npy and a\.npy"):
        folder(tmp_path, "twice/**/*.npy")
    with pytest.raises(UserError, match=r"matches none of 1 maps, such as a\.npy"):
        folder(tmp_path, "maps", r"(\d+)")
    with pytest.raises(UserError, match="has no group"):
        folder(tmp_path, "maps", "a")


def test_a_map_has_the_aspect_ratio_of_its_image_or_is_a_square(tmp_path: Path) -> None:
    write(tmp_path, "maps/a.npy")
    write(tmp_path, "maps/b.npy", values=np.full((16, 16), 0.5))
    maps = folder(tmp_path)
    assert maps.logits("a", (200, 301)).shape == (20, 30)
    assert maps.logits("b", (200, 300)).shape == (16, 16)
    with pytest.raises(UserError, match=r"20 x 30 .* its image 30 x 20.*transpose"):
        maps.logits("a", (30, 20))


@pytest.mark.parametrize("native", [(320, 239), (239, 320), (201, 320), (321, 481)])
@pytest.mark.parametrize("stride", [8, 14, 16])
@pytest.mark.parametrize("rounded", [np.floor, np.ceil])
def test_one_value_for_every_few_pixels_has_the_aspect_ratio_up_to_rounding(
    tmp_path: Path, native: tuple[int, int], stride: int, rounded: np.ufunc
) -> None:
    height, width = (int(rounded(side / stride)) for side in native)
    write(tmp_path, "maps/a.npy", values=np.full((height, width), 0.5))
    assert folder(tmp_path).logits("a", native).shape == (height, width)
    write(tmp_path, "maps/a.npy", values=np.full((height + 4, width), 0.5))
    with pytest.raises(UserError, match="Write it with the aspect ratio of the image"):
        folder(tmp_path).logits("a", native)


def test_the_digest_covers_the_requested_maps_only(tmp_path: Path) -> None:
    write(tmp_path, "maps/a.npy", "maps/b.npy")
    before = folder(tmp_path).digest(["a"]), folder(tmp_path).digest(["a", "b"])
    write(tmp_path, "maps/b.npy", values=HALF + 0.1)
    after = folder(tmp_path).digest(["a"]), folder(tmp_path).digest(["b", "a"])
    assert before[0] == after[0]
    assert before[1] != after[1]
