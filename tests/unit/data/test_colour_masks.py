"""Masks that show classes as colours, with or without a table of their names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.data.discovery.proposal import propose_block
from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.mask_colours import ids_of_colours
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

COLOURS = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (224, 224, 192)]
IDS = np.random.default_rng(5).integers(0, 3, (20, 30))
IDS[0, :3] = 0, 1, 2
#: As CVAT writes it with masks of segmentation.
LABEL_MAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:128,0,0::\nroad lane:0,128,0::\n"


def dataset(
    folder: Path, table: str = "labelmap.txt", text: str = LABEL_MAP, ids: Any = IDS, mode: str = "RGB"
) -> Path:
    """As CVAT exports it: SegmentationClass beside JPEGImages, and a table of colours."""
    for place in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / place).mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full((*ids.shape, 3), number, np.uint8)).save(folder / f"JPEGImages/{number}.jpg")
        mask = Image.fromarray(np.array(COLOURS, np.uint8)[ids])
        if mode == "P":
            mask = mask.quantize(4)  # in an order of its own
        mask.save(folder / f"SegmentationClass/{number}.png")
    (folder / "ImageSets/Segmentation/default.txt").write_text("0\n1\n2\n")
    (folder / table).write_text(text)
    return folder


def block(folder: Path) -> dict[str, Any]:
    return propose_block(folder.name, folder.parent, folder.name).block


def masks(folder: Path) -> list[Any]:
    reader = make_reader(folder.name, DatasetSettings(**block(folder)), folder.parent)
    return [reader.mask(record) for record in reader.records()]


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_label_map_of_cvat_gives_names_and_colours(mode: str, tmp_path: Path) -> None:
    folder = dataset(tmp_path / "streets", mode=mode)
    found = block(folder)
    assert found["classes"] == ["background", "car", "road lane"]
    assert found["mask"] == {"colours": [list(colour) for colour in COLOURS[:3]]}
    for mask in masks(folder):
        np.testing.assert_array_equal(mask, IDS)
    assert len(masks(folder)) == 3


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("class_dict.csv", "name,r,g,b\ncar,128,0,0\nroad lane,0,128,0\nbackground,0,0,0\n"),
        ("label_colors.txt", "0 0 0\tbackground\n128 0 0\tcar\n0 128 0\troad lane\n"),
    ],
)
def test_other_tables_of_colours_are_known_too(table: str, text: str, tmp_path: Path) -> None:
    folder = dataset(tmp_path / "streets", table, text)
    assert block(folder)["classes"] == ["background", "car", "road lane"]
    np.testing.assert_array_equal(masks(folder)[0], IDS)


def test_a_colour_that_the_table_lacks_is_named_with_the_table(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "streets")
    file = folder / "SegmentationClass/1.png"
    pixels = np.array(Image.open(file))
    pixels[0, 0] = 9, 8, 7
    Image.fromarray(pixels).save(file)
    with pytest.raises(UserError, match=r"1\.png: .*\[9, 8, 7\].*Here `mask\.colours` is what labelmap\.txt lists"):
        block(folder)


def test_two_colours_are_background_and_foreground(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "streets", text="car:128,0,0::\nbackground:0,0,0::\n", ids=IDS % 2)
    found = block(folder)
    assert "classes" not in found
    np.testing.assert_array_equal(masks(folder)[0], IDS % 2)


def test_pixels_without_a_label_are_ignored(tmp_path: Path) -> None:
    ids = np.where(IDS == 2, 3, IDS)
    text = "void:224,224,192::\nbackground:0,0,0::\ncar:128,0,0::\nroad lane:0,128,0::\n"
    folder = dataset(tmp_path / "streets", text=text, ids=ids)
    found = block(folder)
    assert found["classes"] == ["background", "car", "road lane"]
    assert found["mask"]["ignore_values"] == [3]
    np.testing.assert_array_equal(masks(folder)[0], np.where(ids == 3, 255, ids))


def test_a_table_of_other_colours_is_not_used(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "streets", text="background:0,0,0::\ncar:1,2,3::\n")
    with pytest.raises(UserError, match=r"list the colours of the ids 0, 1, 2, \.\.\. in `mask: \{colours:"):
        block(folder)


def test_grey_masks_have_colours_too(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).save(tmp_path / "a.png")
    settings = MaskSettings(colours=((255, 255, 255), (0, 0, 0)))
    assert read_mask(tmp_path / "a.png", settings).values.tolist() == [[1, 0], [0, 1]]


def test_a_colour_that_nobody_listed_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array(COLOURS, np.uint8)[[[0, 3], [3, 2]]]).save(tmp_path / "a.png")
    settings = MaskSettings(colours=((0, 0, 0), (128, 0, 0)))
    message = r"a\.png: a mask with 2 colours that `mask\.colours` does not list \(\[224, 224, 192\], \[0, 128, 0\]\)"
    with pytest.raises(UserError, match=message):
        read_mask(tmp_path / "a.png", settings)


def test_the_noise_of_jpeg_is_named_as_such() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (30, 30, 3), np.uint8)
    with pytest.raises(UserError, match="So many come from a lossy format"):
        ids_of_colours(noise, [(0, 0, 0), (255, 0, 0)])


def test_colours_of_sixteen_bits_are_refused() -> None:
    with pytest.raises(UserError, match="a mask of uint16 with 3 channels, expected colours of 8 bits"):
        ids_of_colours(np.full((2, 2, 3), 256, np.uint16), [(0, 0, 0), (1, 0, 0)])


def test_a_colour_stands_for_one_id() -> None:
    with pytest.raises(ValueError, match="`colours` lists a colour twice"):
        MaskSettings(colours=((0, 0, 0), (0, 0, 0)))
    with pytest.raises(ValueError, match="less than or equal to 255"):
        MaskSettings(colours=((0, 0, 0), (0, 0, 256)))
    assert "colours" not in MaskSettings().model_dump()
