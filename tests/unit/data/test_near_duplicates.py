"""Copies of a picture in different splits: told by their names, and by their thumbnails."""

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageEnhance

from prn_pipeline.data import examination, ingestion
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.splits import near_duplicates
from prn_pipeline.data.splits.near_crops import SIDE, CropPairs, crop_pairs
from prn_pipeline.data.splits.near_duplicates import NearPairs, joined, near_pairs, near_within, warn_of_near_within
from prn_pipeline.data.splits.versions import grouping_of, refuse_torn_versions
from prn_pipeline.data.splits.video_frames import thumbnail, thumbnails
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]
NONE = CropPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def scene(seed: int) -> Image.Image:
    """Blobs of random colour and place: different scenes correlate little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC)


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


COPIES = {
    "flipped": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda picture: picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "turned left": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "turned right": lambda picture: picture.transpose(Image.Transpose.ROTATE_270),
    "transposed": lambda picture: picture.transpose(Image.Transpose.TRANSPOSE),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.25),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "compressed": compressed,
    "halved": lambda picture: picture.resize((48, 40)),
}


def pairs_of(pictures: list[Image.Image], splits: list[str]) -> list[tuple[int, int]]:
    thumbnails = np.stack([thumbnail(np.asarray(picture)) for picture in pictures])
    contents = np.array([str(hash(picture.tobytes())) for picture in pictures])
    found = near_pairs(thumbnails, np.array(splits), contents)
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_in_another_split_is_found(kind: str) -> None:
    pictures = [*(scene(seed) for seed in range(12)), COPIES[kind](scene(3))]
    assert pairs_of(pictures, ["train"] * 9 + ["val"] * 2 + ["test"] * 2) == [(3, 12)]


def test_copies_in_one_split_identical_images_and_plain_pictures_are_none() -> None:
    flipped = COPIES["flipped"](scene(1))
    assert pairs_of([scene(0), scene(1), flipped, scene(2)], ["train", "train", "train", "test"]) == []
    assert pairs_of([scene(0), scene(1), scene(0)], ["train", "train", "test"]) == []
    plain = [Image.new("RGB", (20, 20), (grey,) * 3) for grey in (0, 40, 90, 255)]
    assert pairs_of(plain, ["train", "train", "val", "test"]) == []


def test_what_all_pictures_have_in_common_does_not_make_them_copies() -> None:
    """As in retinas: a bright disc on black, with small differences inside."""
    rows, columns = np.mgrid[:80, :80] - 40
    disc = (np.hypot(rows, columns) < 35)[..., None]
    pictures = [
        Image.fromarray((disc * (120 + np.asarray(scene(s).resize((80, 80))) / 8)).astype(np.uint8)) for s in range(20)
    ]
    plain = np.stack([thumbnail(np.asarray(picture)) for picture in pictures])
    assert (plain @ plain.T).min() > 0.97, "without what is common they would all be alike"
    assert pairs_of(pictures, ["train"] * 10 + ["test"] * 10) == []


def part_of(picture: Image.Image, share: float, left: float, top: float) -> Image.Image:
    width, height = picture.size
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    return picture.crop(tuple(round(edge) for edge in box)).resize((width, height), Image.Resampling.BICUBIC)


def detailed(seed: int) -> Image.Image:
    """A scene with shapes of several sizes, as photographs have."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize(
                (160, 128), Image.Resampling.BICUBIC
            ),
            np.float32,
        )
        for side in (4, 9, 20)
    ]
    return Image.fromarray((0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]).astype(np.uint8))


def crops_of(pictures: list[Image.Image], splits: list[str]) -> list[tuple[int, int]]:
    reduced = [thumbnails(np.asarray(picture), SIDE)[0].reshape(SIDE, SIDE).astype(np.float16) for picture in pictures]
    found = crop_pairs(reduced, np.array(splits))
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


@pytest.mark.parametrize("share", [0.93, 0.8, 0.65])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_of_a_picture_in_another_split_is_found(share: float, mirrored: bool) -> None:
    pictures = [detailed(seed) for seed in range(14)]
    part = compressed(part_of(pictures[3], share, 0.7 * (1 - share), 0.3 * (1 - share)))
    pictures.append(COPIES["flipped"](part) if mirrored else part)
    assert crops_of(pictures, ["train"] * 9 + ["val"] * 3 + ["test"] * 3) == [(3, 14)]
    assert crops_of(pictures, ["train"] * 9 + ["val"] * 5 + ["train"]) == [], "inside one split it is no leak"


def test_different_pictures_in_one_frame_are_no_crops_of_each_other() -> None:
    """As in retinas: what random pairs have in common is asked of no crop."""
    rows, columns = np.mgrid[:128, :128] - 64
    disc = (np.hypot(rows, columns) < 58)[..., None]
    pictures = [
        Image.fromarray((disc * (120 + np.asarray(detailed(s).resize((128, 128))) / 8)).astype(np.uint8))
        for s in range(24)
    ]
    assert crops_of(pictures, ["train"] * 12 + ["test"] * 12) == []
    plain = [Image.new("RGB", (80, 80), (grey,) * 3) for grey in range(0, 240, 10)]
    assert crops_of(plain, ["train"] * 12 + ["test"] * 12) == []
    assert crops_of(plain[:1], ["train"]) == []


def test_a_bright_spot_on_black_is_no_crop_of_another() -> None:
    rng = np.random.default_rng(0)
    pictures = [detailed(seed) for seed in range(12)]
    for _ in range(12):
        row, column = rng.integers(20, 76, 2)
        rows, columns = np.mgrid[:96, :96]
        spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 10)
        faint = np.asarray(detailed(int(rng.integers(1000))).convert("L").resize((96, 96))) / 64
        pictures.append(Image.fromarray((200 * spot + faint).astype(np.uint8)).convert("RGB"))
    assert crops_of(pictures, ["train", "test"] * 12) == []


def test_crops_and_copies_of_a_pair_are_counted_once() -> None:
    near = NearPairs(np.array([1]), np.array([4]), np.array([0.98], np.float32))
    crops = CropPairs(np.array([0, 1, 2]), np.array([5, 4, 3]), np.array([0.99, 0.95, 0.95], np.float32))
    content = np.array(["a", "b", "c", "c", "d", "e"])
    both = joined(near, crops, content)
    assert list(zip(both.first.tolist(), both.second.tolist(), strict=True)) == [(0, 5), (1, 4)]


def test_copies_inside_a_split_are_counted_and_many_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    pictures = [scene(0), scene(1), COPIES["flipped"](scene(1)), scene(2), scene(3), COPIES["darker"](scene(2))]
    small = np.stack([thumbnail(np.asarray(picture)) for picture in pictures])
    content = np.array(list("abcdef"))
    assert near_within(small, np.array(["train"] * 4 + ["val"] + ["test"]), content) == 2
    assert near_within(small, np.array(["train"] * 6), content) == 4
    assert near_within(small, np.array(["train"] * 6), np.array(list("abbdef"))) == 2, "identical ones count elsewhere"
    with caplog.at_level(logging.WARNING):
        warn_of_near_within("roads", 50, 100)
        assert not caplog.text
        warn_of_near_within("roads", 51, 100)
    assert "51 of 100 images" in caplog.text


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [scene(seed) for seed in range(15)] + [COPIES["turned left"](scene(seed)) for seed in range(15)]
    splits = ["train"] * 15 + ["val"] * 7 + ["test"] * 8
    whole = pairs_of(pictures, splits)
    assert sorted(whole) == [(seed, seed + 15) for seed in range(15)]
    monkeypatch.setattr("prn_pipeline.data.splits.near_duplicates.BLOCK", 4)
    assert sorted(pairs_of(pictures, splits)) == sorted(whole)


def write(root: Path, pictures: dict[str, Image.Image]) -> Path:
    for name, picture in pictures.items():
        mask = np.zeros(picture.size[::-1], np.uint8)
        mask[5:30, 5:30] = 255
        for kind, content in (("images", picture), ("masks", Image.fromarray(mask))):
            (root / "roads" / kind).mkdir(parents=True, exist_ok=True)
            content.save(root / "roads" / kind / f"{name}.png")
    return root


def ingest(root: Path, **block: Any) -> Any:
    settings = DatasetSettings.model_validate({"folds": 2, **block})
    return inspect("roads", settings, make_reader("roads", settings, root))


def test_near_duplicates_across_splits_are_counted_with_examples_and_the_pattern(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    originals = {f"photo-{seed:02d}": scene(seed) for seed in range(20)}
    copies = {f"{name}_flip": COPIES["flipped"](picture) for name, picture in originals.items()}
    root = write(tmp_path, originals | copies)
    with caplog.at_level(logging.WARNING):
        manifest = ingest(root)
    assert "are nearly the same as an image in another split" in caplog.text
    pattern = caplog.text.split("{pattern: '")[1].split("'}")[0]
    torn = manifest.assign(photo=manifest["sample_id"].str[:8]).groupby("photo")["split"].nunique()
    assert f"{2 * (torn > 1).sum()} images" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        ingest(root, split={"method": "ratio", "group": {"pattern": pattern}})
    assert "nearly the same" not in caplog.text


ROBOFLOW = [
    f"img{photo}_jpg.rf.{photo:02d}{version}4f9c8d1e0b7a65{version}" for photo in range(10) for version in "abc"
]


def test_versions_of_roboflow_torn_across_splits_are_refused_with_the_group_to_set(tmp_path: Path) -> None:
    root = write(tmp_path, {name: scene(index) for index, name in enumerate(ROBOFLOW)})
    with pytest.raises(UserError) as refused:
        ingest(root)
    message = str(refused.value)
    assert "30 images are versions of 10 pictures" in message
    examples = re.findall(r"img(\d)\S+ \((\w+)\) and img(\d)\S+ \((\w+)\)", message)
    assert len(examples) == 3
    assert all(one == other and split != other_split for one, split, other, other_split in examples)
    proposed = re.search("`(split: {.*?}})`", message)
    assert proposed is not None
    manifest = ingest(root, **yaml.safe_load(proposed[1]))
    assert (manifest.assign(photo=manifest["group"]).groupby("photo")["split"].nunique() == 1).all()
    assert manifest["group"].nunique() == 10
    assert ingest(root, split={"method": "ratio", "group": {"pattern": "(.+)"}})["group"].nunique() == 30


def test_one_version_each_or_versions_in_one_split_are_fine() -> None:
    refuse_torn_versions(dict.fromkeys(ROBOFLOW, "train"), given=True)
    refuse_torn_versions({name: ("test" if int(name[3]) > 6 else "train") for name in ROBOFLOW}, given=True)
    refuse_torn_versions(
        {name: ("test" if index % 2 else "train") for index, name in enumerate(ROBOFLOW[::3])}, given=True
    )
    refuse_torn_versions({"a.rf": "train", "b.rf": "test", "a": "val"}, given=True)


def test_the_proposed_pattern_matches_every_sample_and_groups_the_copies() -> None:
    ids = [f"tree_{n:03d}" for n in range(30)]
    turned = [f"{name}_rot90" for name in ids]
    pattern = grouping_of(zip(ids, turned, strict=True), ids + turned)
    assert pattern is not None
    assert pattern.startswith("(?i)")
    numbered = [f"tree{n}" for n in range(30)] + [f"tree{n} (1)" for n in range(30)]
    assert grouping_of([("tree4", "tree4 (1)")], numbered) == r"^(.+?)(?: ?\(\d+\))?$"
    assert grouping_of([("a7", "b9")], [f"{letter}{n}" for letter in "ab" for n in range(10)]) is None
    assert grouping_of([], ids) is None
    assert grouping_of([(ids[0], ids[1])], ids) is None, "one group of everything would be no grouping"


def test_pairs_found_block_by_block_are_those_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [scene(seed % 7) for seed in range(31)]
    small = np.stack([thumbnail(np.asarray(picture)) for picture in pictures])
    splits, content = np.array(["train", "val", "test"] * 10 + ["train"]), np.array([str(row) for row in range(31)])
    at_once, within = near_pairs(small, splits, content), near_within(small, splits, content)
    monkeypatch.setattr(near_duplicates, "BLOCK", 4)
    in_blocks = near_pairs(small, splits, content)
    assert len(at_once.first) > 20
    assert near_within(small, splits, content) == within > 0
    found = [sorted(zip(pairs.first, pairs.second, strict=True)) for pairs in (at_once, in_blocks)]
    assert found[0] == found[1]
    np.testing.assert_allclose(in_blocks.correlation, at_once.correlation, atol=1e-6)


def test_of_more_images_than_are_searched_for_crops_no_reduced_image_is_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = DatasetSettings.model_validate({"reader": "synthetic", "synthetic": {"count": 12, "size": 32}})
    reader, searched = make_reader("scenes", settings, tmp_path), []
    monkeypatch.setattr(ingestion, "crop_pairs", lambda reduced, splits: searched.append(len(reduced)) or NONE)
    inspect("scenes", settings, reader)
    monkeypatch.setattr(examination, "MOST_IMAGES", 11)
    inspect("scenes", settings, reader)
    assert searched == [12]
