"""The manifest describes every sample, and all bad files are found before anything is written."""

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.hostile_files import PICTURES
from prn_pipeline.data.ingestion import data_identity, inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]
TWELVE = [f"s{index:02d}" for index in range(12)]


def manifest_of(root: Path, **block: Any) -> pd.DataFrame:
    settings = DatasetSettings.model_validate({"folds": 3, **block})
    return inspect("roads", settings, make_reader("roads", settings, root))


def refusal(root: Path, **block: Any) -> str:
    with pytest.raises(UserError) as refused:
        manifest_of(root, **block)
    return str(refused.value)


def test_the_manifest_describes_every_sample(write_dataset: Writer) -> None:
    root = write_dataset(TWELVE)
    manifest = manifest_of(root)
    assert list(manifest.columns) == [
        "sample_id",
        "image_path",
        "mask_path",
        "ignore_path",
        "sha256",
        "mask_sha256",
        "native_height",
        "native_width",
        "foreground",
        "split",
        "group",
        "fold",
        "video",
    ]
    assert list(manifest["sample_id"]) == TWELVE
    row = manifest.iloc[3]
    pixels = np.asarray(Image.open(root / row["image_path"]))
    truth = np.asarray(Image.open(root / row["mask_path"])) == 255
    assert row["image_path"] == "roads/images/s03.png"
    assert row["ignore_path"] == ""
    assert row["sha256"] == hashlib.sha256(b"(12, 10, 3)" + pixels.tobytes()).hexdigest()
    assert (row["native_height"], row["native_width"]) == (12, 10)
    assert row["foreground"] == pytest.approx(truth.mean())
    assert manifest["split"].value_counts().to_dict() == {"train": 8, "val": 2, "test": 2}
    assert ((manifest["fold"] == -1) == (manifest["split"] == "test")).all()
    assert set(manifest.loc[manifest["split"] != "test", "fold"]) == {0, 1, 2}


def test_the_manifest_survives_parquet(write_dataset: Writer, tmp_path: Path) -> None:
    manifest = manifest_of(write_dataset(TWELVE))
    manifest.to_parquet(tmp_path / "manifest.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "manifest.parquet"), manifest)


def test_up_to_ten_bad_files_are_reported_at_once(write_dataset: Writer) -> None:
    root = write_dataset(TWELVE)
    for sample_id in TWELVE:
        (root / f"roads/images/{sample_id}.png").write_bytes(b"broken")
    message = refusal(root)
    assert "12 of 12 samples cannot be used" in message
    assert "and 2 more" in message
    assert message.count("not a readable picture") == 10


def test_different_kinds_of_problems_are_reported_together(write_dataset: Writer) -> None:
    root = write_dataset(TWELVE)
    Image.new("RGB", (5, 5)).save(root / "roads/images/s00.png")
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(root / "roads/masks/s01.png")
    content = (root / "roads/images/s02.png").read_bytes()
    (root / "roads/images/s02.png").write_bytes(content[:200])
    message = refusal(root)
    assert "masks/s00.png: the mask is 12 x 10" in message
    assert "images/s00.png is 5 x 5" in message
    assert "s01.png: a mask with 3 different values (0, 1, 2)" in message
    assert "s02.png: not a readable picture" in message


def test_a_set_without_any_foreground_is_refused(write_dataset: Writer) -> None:
    message = refusal(write_dataset(TWELVE), mask={"values": [1]})
    assert "no foreground pixel in 12 masks" in message
    assert "datasets.roads.mask.values" in message


def test_one_background_image_among_others_is_fine(write_dataset: Writer) -> None:
    root = write_dataset(TWELVE)
    Image.new("L", (10, 12)).save(root / "roads/masks/s04.png")
    assert manifest_of(root).loc[4, "foreground"] == 0.0


def test_too_few_samples_for_splits_or_folds_name_the_data_set(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    assert "'roads'" in refusal(root)
    assert "at least 3 groups" in refusal(root)
    assert "9 folds need at least 9 groups" in refusal(write_dataset(TWELVE[:8]), folds=9)


def test_identical_images_share_a_group_and_a_warning(write_dataset: Writer, caplog: pytest.LogCaptureFixture) -> None:
    root = write_dataset(TWELVE)
    shutil.copy(root / "roads/images/s01.png", root / "roads/images/s09.png")
    with caplog.at_level(logging.WARNING):
        manifest = manifest_of(root).set_index("sample_id")
    assert "s01 = s09" in caplog.text
    for column in ("group", "split", "fold"):
        assert manifest.loc["s01", column] == manifest.loc["s09", column]


def test_an_image_in_two_given_splits_is_refused(write_dataset: Writer) -> None:
    root = write_dataset(TWELVE)
    Image.open(root / "roads/images/s01.png").save(root / "roads/images/s09.bmp")  # same pixels, another file
    (root / "roads/images/s09.png").unlink()
    (root / "roads/train.txt").write_text("\n".join(TWELVE[:8]))
    (root / "roads/test.txt").write_text("\n".join(TWELVE[8:]))
    message = refusal(root, split={"method": "lists", "train": "train.txt", "test": "test.txt"})
    assert "s01 (train) = s09 (test)" in message


def test_identity_follows_images_masks_and_splits_but_not_the_order_of_rows(write_dataset: Writer) -> None:
    root = write_dataset(TWELVE)
    manifest = manifest_of(root)
    identity = data_identity(manifest)
    assert identity == data_identity(manifest_of(root)) == data_identity(manifest.iloc[::-1])
    seeds = {data_identity(manifest_of(root, split={"method": "ratio", "seed": seed})) for seed in range(3)}
    assert len(seeds | {identity}) > 1
    for kind in ("masks", "images"):
        file = root / "roads" / kind / "s05.png"
        kept = file.read_bytes()
        Image.fromarray(np.asarray(Image.open(file))[::-1].copy()).save(file)
        assert data_identity(manifest_of(root)) != identity
        file.write_bytes(kept)


def test_the_manifest_does_not_depend_on_the_time_of_files(write_dataset: Writer, tmp_path: Path) -> None:
    root = write_dataset(TWELVE)
    manifest = manifest_of(root)
    shutil.rmtree(root / "roads")
    pd.testing.assert_frame_equal(manifest_of(write_dataset(reversed(TWELVE))), manifest)


def test_drawn_scenes_are_a_data_set_like_any_other() -> None:
    block = {"reader": "synthetic", "synthetic": {"count": 10, "size": 64}, "folds": 3}
    settings = DatasetSettings.model_validate(block)
    manifest = inspect("synthetic_roads", settings, make_reader("synthetic_roads", settings, Path("nowhere")))
    assert manifest["sample_id"].iloc[[0, -1]].tolist() == ["scene-0000", "scene-0009"]
    assert manifest["sha256"].nunique() == 10
    assert set(manifest["image_path"]) == {""}
    assert (manifest["native_height"] == 64).all()
    assert set(manifest["split"]) == {"train", "val", "test"}


def test_files_that_unfold_are_among_the_bad_files(write_dataset: Writer) -> None:
    root = write_dataset("abcdefgh")
    (root / "roads/images/a.png").unlink()
    (root / "roads/images/a.tif").write_bytes(PICTURES["circle.tif"])
    (root / "roads/masks/b.png").unlink()
    (root / "roads/masks/b.tif").write_bytes(PICTURES["huge.tif"])
    message = refusal(root)
    assert "2 of 8 samples cannot be used" in message
    assert "a.tif: not a readable picture (its directories lead in a circle" in message
    assert "b.tif: its header declares 200000 x 200000 pixels" in message
