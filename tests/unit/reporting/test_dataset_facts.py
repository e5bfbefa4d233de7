"""The data set in a terminal, in the report and on its sheet."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.reporting.dataset.facts import as_text, fact_rows, split_rows
from prn_pipeline.reporting.dataset.samples import FOREGROUND, SHOWN, choose, marked, shown_samples
from prn_pipeline.reporting.dataset.sheet import sheet_png
from prn_pipeline.reporting.inputs import Report, ReportInputs


@pytest.fixture
def summary(full_inputs: ReportInputs) -> dict[str, Any]:
    return dict(full_inputs.dataset)


def test_a_terminal_of_100_columns_shows_everything(summary: dict[str, Any]) -> None:
    lines = as_text(summary).splitlines()
    assert lines[0] == "data set 'kvasir_seg': 1,400 samples"
    assert max(map(len, lines)) <= 100
    columns = [line.rindex(word) + len(word) for line, word in zip(lines[2:5], ("7", "7", "7"), strict=True)]
    assert len(set(columns)) == 1, "numbers of one column end below each other"
    text = " ".join(" ".join(lines).split())
    for part in ("12.3 %", "0.0 % to 50.0 %", "1,400 of 1,403 files used", "3 images in no split", "16-bit grey"):
        assert part in text


def test_every_row_says_what_the_summary_holds(summary: dict[str, Any]) -> None:
    facts = dict(fact_rows(summary))
    assert facts["Masks"] == "1,410 of 1,410 files used"
    assert facts["Sizes"].startswith("480 x 640 to 600 x 800 pixels (height x width): 480 x 640 (1,000)")
    assert facts["Image values"] == "0 to 4095, 1,390 8-bit RGB, 10 16-bit grey"
    assert facts["Mask values"] == "0 in 1,400 masks, 255 in 1,399 masks"
    assert facts["Turned by EXIF"] == "4 images and 0 masks"
    assert facts["Groups"] == "9 of 1 to 800 images, the largest seq1"
    assert facts["Duplicates"].startswith("2 images occur more than once; 6 images are nearly the same")
    assert "a (train) and b (test)" in facts["Duplicates"]
    assert split_rows(summary)[1] == ("val", "1,200", "3", "-", "-", "7")


def test_rows_without_content_are_left_out(summary: dict[str, Any]) -> None:
    summary["files"] = {"found": {}, "used": {}, "left_out": []}
    summary["images"] = summary["images"] | {"turned": 0, "distinct_sizes": 1}
    summary["video"] = False
    summary["duplicates"] = {"identical_images": 0, "near_across_splits": 0, "near_pairs": 0, "examples": []}
    facts = dict(fact_rows(summary))
    assert not {"Images", "Left out", "Turned by EXIF", "Video"} & set(facts)
    assert facts["Duplicates"] == "none"
    assert facts["Sizes"] == "480 x 640 pixels (height x width)"


def test_single_files_and_copies_inside_a_split_are_counted(summary: dict[str, Any]) -> None:
    left = {"kind": "images", "reason": "in no split", "count": 1, "examples": ["a.png"]}
    summary["files"] = {"found": {}, "used": {}, "left_out": [left]}
    summary["duplicates"] = summary["duplicates"] | {"near_within_splits": 12}
    facts = dict(fact_rows(summary))
    assert facts["Left out"] == "1 image in no split (a.png)"
    assert facts["Duplicates"].endswith("; 12 images are nearly the same as another one of their split")


def test_the_report_shows_the_table_and_the_samples(full_report: Report) -> None:
    for part in (
        'id="data"',
        "1,400 of 1,403 files used",
        "train · kind-d · 25.0\N{NO-BREAK SPACE}% foreground",
        "../../../samples.png",
    ):
        assert part in full_report.html


def manifest(counts: dict[str, int]) -> pd.DataFrame:
    rows = [(f"{split}-{n}", split, n / 10, 40, 60) for split, count in counts.items() for n in range(count)]
    return pd.DataFrame(rows, columns=["sample_id", "split", "foreground", "native_height", "native_width"])


def test_samples_go_from_least_to_most_foreground_of_every_split() -> None:
    table = manifest({"train": 20, "val": 2, "test": 9}).sample(frac=1, random_state=0).reset_index(drop=True)
    chosen = table.iloc[choose(table)]
    assert chosen["split"].value_counts().to_dict() == {"train": SHOWN["train"], "val": 2, "test": SHOWN["test"]}
    shares = chosen.loc[chosen["split"] == "train", "foreground"].tolist()
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.9)


def test_a_mask_is_tinted_with_an_outline_and_ignored_pixels_are_grey() -> None:
    image, mask = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8)
    mask[1:7, 1:7], mask[8] = 1, 255
    picture = marked(image, mask)
    outline = tuple(int(FOREGROUND[place : place + 2], 16) for place in (1, 3, 5))
    assert tuple(picture[1, 1]) == outline
    assert 0 < picture[4, 4, 1] < outline[1]
    assert picture[0, 0].sum() == 0
    assert np.ptp(picture[8, 8].astype(int)) < 20


def test_pictures_have_the_proportions_of_their_files_also_with_bands() -> None:
    table = manifest({"train": 1, "val": 1, "test": 1})
    images = [np.zeros((32, 32, 5), np.uint16)] * 3
    shown = shown_samples(table, [0, 1, 2], images, [np.zeros((32, 32), np.uint8)] * 3)
    assert {sample.image.shape for sample in shown} == {(160, 240, 3)}


def test_the_sheet_is_a_picture_that_is_the_same_each_time() -> None:
    table = manifest({"train": 2, "val": 1, "test": 1})
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(4)]
    masks = [rng.integers(0, 2, (32, 32), dtype=np.uint8) for _ in range(4)]
    shown = shown_samples(table, [0, 1, 2, 3], images, masks)
    sheet = sheet_png("roads", 4, shown)
    assert sheet == sheet_png("roads", 4, shown)
    with Image.open(io.BytesIO(sheet)) as picture:
        assert picture.format == "PNG"
        assert picture.width == 28 + 3 * (2 * 240 + 4 + 28)
