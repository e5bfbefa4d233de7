"""Where names of images and masks differ in a regular way, the error says how to pair them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.pairing_proposal import propose
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]
IDS = [f"p{index:02d}" for index in range(12)]
ISIC = [f"ISIC_{index:07d}" for index in range(0, 24, 2)]
#: Names of images, names of masks, ids.
CASES = {
    "suffix": (IDS, [f"{i}_mask" for i in IDS], IDS),
    "prefix": (IDS, [f"mask_{i}" for i in IDS], IDS),
    "both prefixed": ([f"image_{i}" for i in IDS], [f"label_{i}" for i in IDS], IDS),
    "both suffixed": ([f"{i}_sat" for i in range(12)], [f"{i}_mask" for i in range(12)], [f"{i}" for i in range(12)]),
    "isic": (ISIC, [f"{i}_Segmentation" for i in ISIC], ISIC),
    "old extension kept": (IDS, [f"{i}.jpg" for i in IDS], IDS),
    "letters of ids in common": (["cat1", "car2"], ["mask_cat1", "mask_car2"], ["cat1", "car2"]),
    "quotes": (IDS, [f"{i}'s mask" for i in IDS], IDS),
}


def renamed(root: Path, kind: str, names: list[str]) -> None:
    files = sorted((root / "roads" / kind).iterdir())
    for file, name in zip(files, names, strict=True):
        file.rename(file.with_name(f"{name}.png"))


def ids_after_the_proposal(root: Path, message: str) -> list[str]:
    block: dict[str, object] = {}
    for key in re.findall("`((?:pairing|mask): {.*?})`", message):
        block |= yaml.safe_load(key)
    settings = DatasetSettings.model_validate(block)
    return [record.sample_id for record in make_reader("roads", settings, root).records()]


@pytest.mark.parametrize("case", CASES)
def test_the_proposed_key_pairs_the_files(write_dataset: Writer, case: str) -> None:
    images, masks, ids = CASES[case]
    root = write_dataset([f"{index:03d}" for index in range(len(images))])
    renamed(root, "images", images)
    renamed(root, "masks", masks)
    with pytest.raises(UserError, match="without mask") as refused:
        make_reader("roads", DatasetSettings(), root).records()
    assert ids_after_the_proposal(root, str(refused.value)) == sorted(ids)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_where_one_file_is_missing_no_key_is_proposed(write_dataset: Writer, kind: str) -> None:
    root = write_dataset(IDS)
    (root / "roads" / kind / f"{IDS[4]}.png").unlink()
    with pytest.raises(UserError, match=rf"1 .* file without .*: {IDS[4]}\.png\. Add the missing files") as refused:
        make_reader("roads", DatasetSettings(), root).records()
    assert "Set `pairing" not in str(refused.value)


def test_several_masks_of_an_image_are_paired_and_united_by_the_proposed_keys(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    for index, file in enumerate(sorted((root / "roads/masks").iterdir())):
        if index % 3:
            (file.parent / f"{file.stem}_mask_1.png").write_bytes(file.read_bytes())
        file.rename(file.with_name(f"{file.stem}_mask.png"))
    with pytest.raises(UserError, match="masks_per_image: union") as refused:
        make_reader("roads", DatasetSettings(), root).records()
    assert ids_after_the_proposal(root, str(refused.value)) == IDS


def test_names_that_have_nothing_in_common_get_no_proposal() -> None:
    assert propose(["a.png", "b.png", "c.png"], ["x.png", "y.png", "z.png"]) is None
    assert propose(["a.png"], ["a_mask.png"]) is None, "one pair is no rule"
    assert propose(IDS, [f"{i}_mask{n}.png" for n, i in enumerate("abcdefghijkl")]) is None


def test_names_that_differ_in_case_are_said_to(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    names = [f"{chr(97 + index)}{index:02d}{chr(110 - index)}" for index in range(12)]
    renamed(root, "images", names)
    renamed(root, "masks", [name.upper() for name in names])
    with pytest.raises(UserError, match="differ only in upper and lower case"):
        make_reader("roads", DatasetSettings(), root).records()
