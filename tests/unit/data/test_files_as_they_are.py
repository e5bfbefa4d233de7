"""Files are read as what they are, and a data set is judged as a whole: the faults that users have reported.

Each test ingests a folder through the public interface, which has not changed since these faults.
"""

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

IDS = [f"p{index:02d}" for index in range(12)]
SIZE = (24, 30)
Save = Callable[[Path, Any], object]


def scene(index: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(index).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC))


def shape(index: int) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, bool)
    mask[4 : 10 + index % 5, 6 : 14 + index % 7] = True
    return mask


def save_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(path)


def save_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def write(
    root: Path,
    save_image: Save = save_picture,
    save_truth: Save = save_mask,
    suffixes: tuple[str, str] = (".png", ".png"),
    folder: str = "set",
) -> Path:
    for kind in ("images", "masks"):
        (root / folder / kind).mkdir(parents=True)
    for index, name in enumerate(IDS):
        save_image(root / folder / "images" / f"{name}{suffixes[0]}", scene(index))
        save_truth(root / folder / "masks" / f"{name}{suffixes[1]}", shape(index))
    return root


def ingest(root: Path, name: str = "set", **block: Any) -> pd.DataFrame:
    settings = DatasetSettings.model_validate({"folds": 2, **block})
    return inspect(name, settings, make_reader(name, settings, root))


def refusal(root: Path, **block: Any) -> str:
    with pytest.raises(UserError) as refused:
        ingest(root, **block)
    return str(refused.value)


def assert_foreground_is_that_of_the_shapes(manifest: pd.DataFrame) -> None:
    np.testing.assert_allclose(manifest["foreground"], [shape(index).mean() for index in range(len(manifest))])


def truth_of(root: Path, **block: Any) -> list[bool]:
    settings = DatasetSettings.model_validate({"folds": 2, **block})
    reader = make_reader("set", settings, root)
    return [np.array_equal(reader.mask(record), shape(n)) for n, record in enumerate(reader.records())]


def without_colours(path: Path, mask: NDArray[np.bool_]) -> None:
    Image.fromarray(mask.astype(np.uint8), "P").save(path)


def white_with_alpha(path: Path, mask: NDArray[np.bool_]) -> None:
    white = np.full((*SIZE, 3), 255, np.uint8)
    Image.fromarray(np.dstack([white, mask.astype(np.uint8) * 255])).save(path)


def white_palette_with_transparency(path: Path, mask: NDArray[np.bool_]) -> None:
    picture = Image.fromarray(mask.astype(np.uint8), "P")
    picture.putpalette([255] * 6)
    picture.save(path, transparency=0)


@pytest.mark.parametrize(
    ("save", "suffix"),
    [
        (tifffile.imwrite, ".tif"),
        (without_colours, ".png"),
        (white_with_alpha, ".png"),
        (white_palette_with_transparency, ".png"),
    ],
    ids=["bool array by tifffile", "palette without colours", "white RGBA", "white palette with transparency"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_foreground_is_what_the_program_meant(tmp_path: Path, save: Save, suffix: str) -> None:
    root = write(tmp_path, save_truth=save, suffixes=(".png", suffix))
    assert_foreground_is_that_of_the_shapes(ingest(root))
    assert all(truth_of(root))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_three_indices_of_a_grey_palette_are_not_advised_a_threshold_that_erases_them(tmp_path: Path) -> None:
    def save(path: Path, mask: NDArray[np.bool_]) -> None:
        ids = mask.astype(np.uint8) * 2
        ids[-2:] = 1
        picture = Image.fromarray(ids, "P")
        picture.putpalette([0, 0, 0, 127, 127, 127, 255, 255, 255])
        picture.save(path)

    root = write(tmp_path, save_truth=save)
    message = refusal(root)
    assert "threshold: 127" not in message
    assert "(0, 1, 2)" in message
    assert_foreground_is_that_of_the_shapes(ingest(root, mask={"values": [2]}))


def test_a_dark_frame_of_a_12_bit_camera_stays_on_the_scale_of_the_others(tmp_path: Path) -> None:
    values: list[NDArray[np.uint16]] = []

    def save(path: Path, pixels: NDArray[np.uint8]) -> None:
        grey = pixels[..., 0].astype(np.uint16) * 16
        values.append(grey // 17 if len(values) == 3 else grey)
        tifffile.imwrite(path, values[-1])

    root = write(tmp_path, save_image=save, suffixes=(".tif", ".png"))
    settings = DatasetSettings(folds=2)
    reader = make_reader("set", settings, root)
    manifest = inspect("set", settings, reader)
    scaled = reader.scaled(manifest.attrs.get("white")) if hasattr(reader, "scaled") else reader
    shown = np.stack([scaled.image(record)[..., 0] for record in reader.records()])
    np.testing.assert_allclose(shown, np.stack(values) / 4095 * 255, atol=0.6)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_of_16_bits_keep_their_low_byte(tmp_path: Path, suffix: str) -> None:
    def save(path: Path, pixels: NDArray[np.uint8]) -> None:
        wide = pixels.astype(np.uint16) * 4  # 10 bits: the high byte alone has four levels
        if suffix == ".tif":
            tifffile.imwrite(path, wide, photometric="rgb")
        else:
            path.write_bytes(imagecodecs.png_encode(wide))

    root = write(tmp_path, save_image=save, suffixes=(suffix, ".png"))
    reader = make_reader("set", DatasetSettings(), root)
    assert max(len(np.unique(reader.image(record))) for record in reader.records()) > 200


def test_colours_as_floats_are_refused_with_the_bands_that_read_them(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        lambda path, pixels: tifffile.imwrite(path, (pixels / 255).astype(np.float32), photometric="rgb"),
        suffixes=(".tif", ".png"),
    )
    message = refusal(root)
    assert "truncated" not in message
    key = re.search("`(bands: {.*?})`", message)
    assert key is not None
    assert len(ingest(root, **yaml.safe_load(key[1]))) == 12


def test_pages_of_an_image_are_counted_with_the_key_that_stacks_them(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        lambda path, pixels: tifffile.imwrite(path, np.moveaxis(pixels, 2, 0), photometric="minisblack"),
        suffixes=(".tif", ".png"),
    )
    message = refusal(root)
    assert "3 pages" in message
    for key in re.findall("`(bands: {.*?}|first_page: true)`", message.splitlines()[1]):
        assert len(ingest(root, **yaml.safe_load(key))) == 12


def test_pages_of_a_mask_are_counted_with_the_key_that_unites_them(tmp_path: Path) -> None:
    def save(path: Path, mask: NDArray[np.bool_]) -> None:
        halves = np.stack([mask, mask]).astype(np.uint8) * 255
        halves[0, :, 9:], halves[1, :, :9] = 0, 0
        tifffile.imwrite(path, halves, photometric="minisblack")

    root = write(tmp_path, save_truth=save, suffixes=(".png", ".tif"))
    message = refusal(root)
    assert "a mask of 2 pages" in message
    assert_foreground_is_that_of_the_shapes(ingest(root, mask={"pages": "unite"}))


def test_images_that_exif_turns_beside_masks_that_it_does_not_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def save(path: Path, pixels: NDArray[np.uint8]) -> None:
        picture = Image.fromarray(pixels[::-1, ::-1])
        exif = picture.getexif()
        exif[274] = 3
        picture.save(path, exif=exif)

    ingest(write(tmp_path, save_image=save, suffixes=(".jpg", ".png")))
    assert "12 images are turned" in caplog.text


@pytest.mark.parametrize("left_behind", [".ipynb_checkpoints", "__MACOSX"])
def test_copies_that_tools_leave_below_a_glob_are_no_samples(tmp_path: Path, left_behind: str) -> None:
    root = write(tmp_path)
    for kind in ("images", "masks"):
        (root / "set" / kind / left_behind).mkdir()
        for file in (root / "set" / kind).glob("*.png"):
            shutil.copy(file, root / "set" / kind / left_behind / f"{file.stem}-copy.png")
    assert len(ingest(root, images="images/**/*.png", masks="masks/**/*.png")) == 12


@pytest.mark.parametrize(
    ("target", "remedy"), [(".git/annex/objects/a/{}", "git annex get"), (".dvc/cache/files/md5/a/{}", "dvc pull")]
)
def test_links_that_were_not_fetched_are_counted_with_the_remedy(tmp_path: Path, target: str, remedy: str) -> None:
    root = write(tmp_path)
    for name in IDS[:4]:
        for kind in ("images", "masks"):
            file = root / "set" / kind / f"{name}.png"
            file.unlink()
            file.symlink_to(root / target.format(name))
    message = refusal(root)
    assert "8 of 24 files" in message
    assert remedy in message


def test_foreground_that_differs_by_file_is_listed_with_files(tmp_path: Path) -> None:
    def save(path: Path, mask: NDArray[np.bool_]) -> None:
        value = 255 if path.stem == IDS[-1] else 1 + IDS.index(path.stem) % 3
        Image.fromarray((mask * value).astype(np.uint8)).save(path)

    message = refusal(write(tmp_path, save_truth=save))
    for part in ("1 in 4 (set/masks/p00.png", "2 in 4", "3 in 3", "255 in 1 (set/masks/p11.png)"):
        assert part in message
    assert_foreground_is_that_of_the_shapes(ingest(tmp_path, mask={"values": [1, 2, 3, 255]}))


def test_versions_of_roboflow_torn_across_splits_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path)
    for index, name in enumerate(IDS):
        for kind in ("images", "masks"):
            file = root / "set" / kind / f"{name}.png"
            file.rename(file.with_name(f"img{index // 3}_jpg.rf.{index:02d}4f9c8d1e0b7a6.png"))
    key = re.search("`(split: {.*?}})`", refusal(root))
    assert key is not None
    assert ingest(root, **yaml.safe_load(key[1]))["group"].nunique() == 4


def test_near_duplicates_across_splits_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    originals = [scene(index // 2) for index in range(12)]

    def save(path: Path, _: object) -> None:
        index = IDS.index(path.stem)
        pixels = originals[index][:, :: -1 if index % 2 else 1]
        save_picture(path, np.clip(pixels * (1 + 0.1 * (index % 2)), 0, 255).astype(np.uint8))

    with caplog.at_level(logging.WARNING):
        ingest(write(tmp_path, save_image=save))
    assert "are nearly the same as an image in another split" in caplog.text


def test_ids_of_instances_are_advised_a_threshold_of_0(tmp_path: Path) -> None:
    def save(path: Path, mask: NDArray[np.bool_]) -> None:
        ids = np.arange(mask.size).reshape(mask.shape) // 40 * 5 + 1
        Image.fromarray((mask * ids).astype(np.uint8)).save(path)

    message = refusal(write(tmp_path, save_truth=save))
    assert "threshold: 0}" in message
    assert "threshold: 127" not in message


def test_several_masks_of_an_image_are_united_by_the_key_of_the_message(tmp_path: Path) -> None:
    def save(path: Path, mask: NDArray[np.bool_]) -> None:
        left, right = mask.copy(), mask.copy()
        left[:, 9:], right[:, :9] = False, False
        save_mask(path.with_name(f"{path.stem}_mask.png"), left)
        save_mask(path.with_name(f"{path.stem}_mask_1.png"), right)

    root = write(tmp_path, save_truth=save)
    pairing = {"by": "regex", "image": r"(p\d+)\.", "mask": r"(p\d+)_mask"}
    assert "`mask: {masks_per_image: union}`" in refusal(root, pairing=pairing)
    united = ingest(root, pairing=pairing, mask={"masks_per_image": "union"})
    assert_foreground_is_that_of_the_shapes(united)


def test_an_existing_folder_with_brackets_is_a_folder(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "set/images").rename(root / "set/images [2024]")
    assert len(ingest(root, images="images [2024]")) == 12


def test_a_data_set_may_be_named_like_a_number(tmp_path: Path) -> None:
    assert len(ingest(write(tmp_path, folder="2018"), name="2018")) == 12
