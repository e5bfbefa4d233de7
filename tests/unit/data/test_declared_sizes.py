"""The size of a file is known from its header, and files that are too large are refused before memory is taken."""

import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import EpsImagePlugin, Image

from benchmarks.hostile_files import PICTURES, gif, jpeg_of, npy, npz, page, tiff, zarr_json
from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.read_limits import Declared, ReadLimits
from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.data.readers.decoding import decode_image, read_image
from prn_pipeline.data.readers.headers.array_header import shape_declared
from prn_pipeline.data.readers.headers.declared import declared_size
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

RNG = np.random.default_rng(0)
#: MiB that refusing a file may take, and seconds.
LITTLE, SOON = 40, 30
#: Bytes of a file up to which memory is traced, which is slow for long chains.
TRACED = 100_000

READERS: dict[str, Callable[[Path], object]] = {
    "image": read_image,
    "mask": read_mask,
    "united mask": lambda path: read_mask(path, MaskSettings(pages="unite")),
    "array": read_array,
}


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return RNG.integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", PICTURES)
def test_a_file_that_unfolds_is_refused_at_once(name: str, reader: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PICTURES[name])
    start = time.perf_counter()
    with pytest.raises(UserError, match=re.escape(str(path))):
        READERS[reader](path)
    assert time.perf_counter() - start < SOON
    if path.stat().st_size > TRACED:
        return
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=re.escape(str(path))):
            READERS[reader](path)
        assert tracemalloc.get_traced_memory()[1] < LITTLE * 2**20
    finally:
        tracemalloc.stop()


def test_a_message_names_the_size_and_the_key_that_overrules_it(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(PICTURES["huge.tif"])
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"{path}: its header declares 200000 x 200000 pixels, 37.3 GiB when decoded, expected at most 4. It may be"
        " damaged; cut it into tiles, or raise `read_limits.gibibytes` of the data set (for maps: of the base model;"
        " for a predictor: `predictor`)."
    )


@pytest.mark.parametrize(
    ("shape", "chunks", "message"),
    [
        ((200_000, 200_000), (1000, 1000), "149 GiB when decoded, expected at most 4"),
        ((10, 10), (200_000, 200_000), "a chunk: its header declares 200000 x 200000 pixels"),
        ((60_000, 10_000), (1, 1), "600000000 chunks .* Write it with larger chunks"),
    ],
)
def test_a_zarr_array_is_refused_by_its_description(
    tmp_path: Path, shape: tuple[int, int], chunks: tuple[int, int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_array(zarr_json(tmp_path / "map.zarr", shape, chunks))


def test_arrays_in_an_archive_are_refused_by_their_headers(tmp_path: Path) -> None:
    claims = npz(tmp_path / "claims.npz", a=npy((200_000, 200_000), values=b"\0" * 100))
    with pytest.raises(UserError, match="160000000000 bytes, but the file ends before"):
        read_array(claims)
    unfolds = npz(tmp_path / "unfolds.npz", a=npy((4000, 4000), "|u1", b"\0" * 16_000_000), b=npy((1, 2), "|u1", b"12"))
    assert unfolds.stat().st_size < 20_000
    small = ReadLimits(gibibytes=0.01)
    with pytest.raises(UserError, match=r"unfolds.npz\[a\]: its header declares 4000 x 4000 pixels, 0.0149 GiB"):
        read_array(unfolds, "a", small)
    assert read_array(unfolds, "b", small).tolist() == [[49, 50]]  # only what is read counts


def test_a_long_header_in_an_archive_is_not_read(tmp_path: Path) -> None:
    header = b"\x93NUMPY\x02\x00" + (50_000_000).to_bytes(4, "little") + b" " * 50_000_000
    path = npz(tmp_path / "a.npz", a=header)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="its header has 50000000 bytes"):
            read_array(path)
        assert tracemalloc.get_traced_memory()[1] < LITTLE * 2**20
    finally:
        tracemalloc.stop()


def test_a_container_of_maps_that_is_damaged_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "maps.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(UserError, match=r"maps.npz: cannot be read"):
        MapFolder(tmp_path, "maps.npz", None, MapReading())


@pytest.mark.parametrize(
    ("content", "message"), [(npy((0, 5)), "without any value"), (npy((2, 2), "<U3", b"\0" * 48), "expected integers")]
)
def test_an_array_without_numbers_is_a_user_error(tmp_path: Path, content: bytes, message: str) -> None:
    from prn_pipeline.data.file_settings import BandSettings
    from prn_pipeline.data.readers.band_decoding import decode_bands

    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=message):
        decode_bands(tmp_path / "a.npy", BandSettings(count=1, low=0, high=1))


def test_an_archive_under_the_name_of_an_array_is_a_user_error(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz", a=npy((1, 2), "|u1", b"12")).rename(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"holds named arrays as an .npz file does: name it a.npz"):
        read_array(tmp_path / "a.npy")


def test_memory_that_runs_out_is_the_error_of_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", noise(8, 8))

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", exhausted)
    monkeypatch.setattr(np, "load", exhausted)
    for name, reader in (("a.png", read_image), ("a.png", read_mask), ("a.npy", read_array)):
        with pytest.raises(UserError, match=f"{name}: this machine has not enough memory"):
            reader(tmp_path / name)  # type: ignore[operator]


def test_eps_never_reaches_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *found, **_: reached.append(found))
    for name in ("a.png", "a.jpg", "a.tif", "a.gif"):
        (tmp_path / name).write_bytes(PICTURES["vector.eps"])
        for reader in (read_image, read_mask, read_array):
            with pytest.raises(UserError):
                reader(tmp_path / name)  # type: ignore[operator]
    assert not reached


@pytest.mark.parametrize("kind", ["PPM", "BMP", "GIF", "PNG", "JPEG", "JPEG2000", "WEBP", "TIFF", "MPO"])
def test_every_format_that_is_read_is_still_opened_whatever_its_name(kind: str, tmp_path: Path) -> None:
    image = noise(20, 30, 3)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path, kind)
    assert decode_image(path).shape == (20, 30, 3)
    declared = declared_size(path)
    assert (declared.height, declared.width, declared.pages) == (20, 30, 1)
    assert declared.bands == (1 if kind == "GIF" else 3)


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((30, 40), {}, Declared(30, 40)),
        ((30, 40, 3), {"photometric": "rgb"}, Declared(30, 40, 3)),
        ((3, 30, 40), {"photometric": "rgb", "planarconfig": "separate"}, Declared(30, 40, 3)),
        ((13, 30, 40), {"planarconfig": "separate", "photometric": "minisblack"}, Declared(30, 40, 13)),
        ((7, 30, 40), {"photometric": "minisblack"}, Declared(30, 40, pages=7)),
        ((7, 30, 40), {"imagej": True}, Declared(30, 40, pages=7)),
        ((5, 30, 40), {"ome": True, "photometric": "minisblack"}, Declared(30, 40, pages=5)),
        ((30, 40, 3), {"photometric": "rgb", "bigtiff": True, "byteorder": ">"}, Declared(30, 40, 3)),
        ((320, 400), {"tile": (64, 64)}, Declared(320, 400)),
        ((30, 40), {"dtype": "float32"}, Declared(30, 40, itemsize=4)),
        ((30, 40), {"dtype": "uint16"}, Declared(30, 40, itemsize=2)),
        ((30, 40), {"dtype": "bool"}, Declared(30, 40)),
        ((64, 96), {"compression": "jpeg"}, Declared(64, 96)),
        ((64, 96, 3), {"compression": "jpeg", "tile": (32, 32), "photometric": "rgb"}, Declared(64, 96, 3)),
        ((64, 96), {"compression": "jpeg2000"}, Declared(64, 96)),
    ],
)
def test_a_tiff_header_declares_what_tifffile_reads(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, object], expected: Declared
) -> None:
    path, dtype = tmp_path / "a.tif", str(options.pop("dtype", "uint8"))
    tifffile.imwrite(path, noise(*shape, dtype=dtype), **options)  # type: ignore[arg-type]
    found = declared_size(path)
    assert found == expected
    assert found.nbytes == tifffile.imread(path).nbytes
    assert read_array(path).size == np.prod(shape)


def test_thumbnails_and_pages_below_a_page_are_not_counted_as_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(noise(60, 80), subifds=2)
        writer.write(noise(30, 40), subfiletype=1)
        writer.write(noise(15, 20), subfiletype=1)
        writer.write(noise(6, 8), subfiletype=1)
    assert declared_size(path) == Declared(60, 80)
    assert decode_image(path).shape == (60, 80, 3)


def test_garbage_behind_the_last_page_is_passed_over_as_libraries_do(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([page(2, 4)], back_to=10**9))
    assert declared_size(path) == Declared(2, 4)
    assert decode_image(path).shape == (2, 4, 3)


def test_pages_in_other_formats_are_counted(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(8, 8)) for _ in range(5)]
    for suffix in ("gif", "webp", "png"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert declared_size(path).pages == 5
    (tmp_path / "small.gif").write_bytes(gif(4, 4, 3))
    assert declared_size(tmp_path / "small.gif") == Declared(4, 4, pages=3)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), Declared(1, 1)),
        ((9,), Declared(1, 9)),
        ((30, 40), Declared(30, 40)),
        ((30, 40, 3), Declared(30, 40, 3)),
        ((3, 30, 40), Declared(30, 40, 3)),
        ((5, 3, 30, 40), Declared(30, 40, 5, 3)),
    ],
)
def test_the_shorter_outer_axis_of_an_array_is_its_bands(shape: tuple[int, ...], expected: Declared) -> None:
    assert shape_declared(shape, 1) == expected


@pytest.mark.parametrize("shape", [(), (7,), (30, 40), (3, 30, 40)])
def test_arrays_of_any_shape_are_read_within_limits(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = noise(*shape, dtype="float32")
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", a=array)
    names = ["a.npy", "a.npz"]
    if shape:
        zarr.save_array(tmp_path / "a.zarr", array)
        names.append("a.zarr")
    for name in names:
        assert np.array_equal(read_array(tmp_path / name), array)


def test_a_limit_can_be_raised_and_lowered_by_settings(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(300, 400, 3), photometric="rgb")
    low = DatasetSettings.model_validate({"read_limits": {"gibibytes": 0.0003}}).read_limits
    with pytest.raises(
        UserError, match=r"400 x 300 pixels, 3 bands, 0.000335 GiB when decoded, expected at most 0.0003"
    ):
        read_image(tmp_path / "a.tif", limits=low)
    assert read_image(tmp_path / "a.tif", limits=ReadLimits(gibibytes=0.0004)).pixels.shape == (300, 400, 3)


def test_only_pages_that_are_decoded_count(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 100, 100), photometric="minisblack")
    limits = ReadLimits(gibibytes=50_000 / 2**30)
    assert read_image(tmp_path / "a.tif", first_page=True, limits=limits).pixels.shape == (100, 100, 3)
    with pytest.raises(UserError, match=r"20 pages, 0\.000186 GiB"):
        read_array(tmp_path / "a.tif", limits=limits)


def test_default_limits_change_no_dump_and_no_identity() -> None:
    assert "read_limits" not in DatasetSettings().model_dump()
    raised = MapReading.model_validate({"read_limits": {"gibibytes": 9}})
    assert "read_limits" not in MapReading().model_dump()
    assert raised.identity() == MapReading().identity()


def test_a_jpeg_of_the_size_of_its_strip_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    content = jpeg_of(16, 16)
    path.write_bytes(tiff([page(16, 16, t259=7, t279=len(content))], data=content))
    assert decode_image(path).shape == (16, 16, 3)


def test_a_process_with_little_memory_refuses_a_bomb_too(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(PICTURES["jpeg_within.tif"])
    script = (
        "import sys; from pathlib import Path; from prn_pipeline.data.readers.decoding import read_image\n"
        "from prn_pipeline.errors import UserError\n"
        "import resource; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_image(Path(sys.argv[1]))\n"
        "except UserError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    found = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert int(found.stdout) < LITTLE * 1024
