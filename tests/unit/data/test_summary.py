"""The summary of a data set counts files, sizes, values, foreground, groups and duplicates."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.data.ingestion import inspect, inspect_and_summarise
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.json_files import write_json
from prn_pipeline.data.summary_file import read_summary

Writer = Callable[..., Path]
IDS = [f"s{index:02d}" for index in range(12)]


def summary_of(root: Path, **block: Any) -> dict[str, Any]:
    settings = DatasetSettings.model_validate({"folds": 3, **block})
    reader = make_reader("roads", settings, root)
    manifest, summary = inspect_and_summarise("roads", settings, reader)
    pd.testing.assert_frame_equal(manifest, inspect("roads", settings, reader))
    write_json(root / "dataset.json", summary)
    assert read_summary(root / "dataset.json") == summary
    return summary


def test_files_are_accounted_for_with_the_reason(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    for kind in ("images", "masks"):
        (root / f"roads/{kind}/.ipynb_checkpoints").mkdir()
        (root / f"roads/{kind}/.ipynb_checkpoints/s00-checkpoint.png").write_bytes(b"x")
    (root / "roads/images/notes.txt").touch()
    (root / "roads/train.txt").write_text("\n".join(IDS[:7]))
    (root / "roads/test.txt").write_text("\n".join(IDS[7:10]))
    split = {"method": "lists", "train": "train.txt", "test": "test.txt"}
    files = summary_of(root, images="images/**/*", masks="masks/**/*", split=split)["files"]
    assert files["found"] == {"images": 12, "masks": 12}
    assert files["used"] == {"images": 10, "masks": 10}
    left = {(one["kind"], one["reason"]): (one["count"], one["examples"]) for one in files["left_out"]}
    assert left["images", "in no split"] == (2, ["s10.png", "s11.png"])
    assert left["images", "not a kind of picture that is read"] == (1, ["notes.txt"])
    bookkeeping = "left behind by an operating system or a tool"
    assert left["images", bookkeeping] == (1, ["images/.ipynb_checkpoints/s00-checkpoint.png"])
    assert left["masks", bookkeeping][0] == 1


def test_images_without_a_mask_count_as_images_alone(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    (root / "roads/masks/s00.png").unlink()
    summary = summary_of(root, mask={"absent": "background"})
    assert summary["files"]["used"] == summary["files"]["found"] == {"images": 12, "masks": 11}
    assert summary["samples"] == 12
    assert [one["files"] for one in summary["masks"]["values"]] == [11, 11]
    left = summary_of(root, mask={"absent": "leave_out"})["files"]["left_out"]
    assert [(one["reason"], one["count"], one["examples"]) for one in left] == [("without mask", 1, ["s00.png"])]


def test_sizes_values_and_foreground_are_those_of_the_files(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    write_dataset(["big"], size=(20, 30))
    summary = summary_of(root)
    assert summary["images"]["sizes"] == [[12, 10, 12], [20, 30, 1]]
    assert (summary["images"]["smallest"], summary["images"]["largest"]) == ([12, 10], [20, 30])
    assert [(one["value"], one["files"]) for one in summary["masks"]["values"]] == [(0, 13), (255, 13)]
    pixels = [np.asarray(Image.open(path)) for path in (root / "roads/images").iterdir()]
    assert summary["images"]["low"] == min(one.min() for one in pixels)
    assert summary["images"]["high"] == max(one.max() for one in pixels)
    shares = [(np.asarray(Image.open(path)) > 0).mean() for path in (root / "roads/masks").iterdir()]
    counts = {split: one["images"] for split, one in summary["splits"].items()}
    mean = sum(one["foreground"]["mean"] * one["images"] for one in summary["splits"].values()) / 13
    assert sum(counts.values()) == 13
    assert mean == pytest.approx(np.mean(shares))
    assert max(one["foreground"]["high"] for one in summary["splits"].values()) == pytest.approx(max(shares))


def test_groups_duplicates_and_united_masks_are_counted(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    shutil.copy(root / "roads/images/s01.png", root / "roads/images/s09.png")
    for sample_id in IDS:
        (root / f"roads/masks/{sample_id}.png").rename(root / f"roads/masks/{sample_id}_0.png")
    shutil.copy(root / "roads/masks/s03_0.png", root / "roads/masks/s03_1.png")
    summary = summary_of(
        root,
        pairing={"by": "regex", "image": r"(s\d+)", "mask": r"(s\d+)_\d"},
        mask={"masks_per_image": "union"},
    )
    assert summary["files"]["used"] == {"images": 12, "masks": 13}
    assert summary["duplicates"]["identical_images"] == 2
    assert summary["groups"] == {
        "given": False,
        "count": 11,
        "smallest": 1,
        "largest": 2,
        "name_of_largest": "s01",
    }


def test_drawn_scenes_have_no_files() -> None:
    settings = DatasetSettings.model_validate(
        {"reader": "synthetic", "synthetic": {"count": 10, "size": 64}, "folds": 3}
    )
    _, summary = inspect_and_summarise("drawn", settings, make_reader("drawn", settings, Path("nowhere")))
    assert summary["files"] == {"found": {}, "used": {}, "left_out": []}
    assert summary["samples"] == 10
