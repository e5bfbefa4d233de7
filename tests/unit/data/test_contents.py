"""Files that are named in a data set but whose contents were not fetched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prn_pipeline.data.readers.contents import absent_kind
from prn_pipeline.data.readers.decoding import decode_image
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_images import images_below
from prn_pipeline.serving.sources import decoded

Writer = Callable[..., Path]
IDS = [f"s{index:02d}" for index in range(16)]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def refusal(root: Path, **block: object) -> str:
    with pytest.raises(UserError) as refused:
        make_reader("roads", DatasetSettings.model_validate(block), root).records()
    return str(refused.value)


def replace_by_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("../../.git/annex/objects/3w/G7/MD5E-s3--ab.png/MD5E-s3--ab.png", "git annex get ."),
        ("../../.dvc/cache/files/md5/ab/cdef", "dvc pull"),
        ("/mnt/nas/photo.png", "mount or restore"),
    ],
)
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_broken_links_are_counted_with_the_remedy_instead_of_left_out(
    write_dataset: Writer, kind: str, target: str, remedy: str
) -> None:
    root = write_dataset(IDS)
    for sample_id in IDS[:6]:
        replace_by_link(root / f"roads/{kind}/{sample_id}.png", target)
    message = refusal(root)
    assert "contents of 6 of 32 files are not here" in message
    assert f"6 {'links to nothing' if 'mount' in remedy else 'of '}" in message
    assert f"{kind}/s00.png, {kind}/s01.png, {kind}/s02.png, ..." in message
    assert remedy in message
    assert str(root / "roads") in message


def test_pairs_of_broken_links_are_no_missing_pair(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    for kind in ("images", "masks"):
        for sample_id in IDS[:6]:
            replace_by_link(root / f"roads/{kind}/{sample_id}.png", ".git/annex/objects/x.png")
    assert "12 of 32" in refusal(root)


def test_pointers_of_lfs_and_annex_and_empty_files_are_counted_by_kind(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    for sample_id in IDS[:3]:
        (root / f"roads/images/{sample_id}.png").write_bytes(LFS)
    (root / "roads/images/s03.png").write_bytes(b"/annex/objects/MD5E-s9--ab.png\n")
    (root / "roads/masks/s04.png").write_bytes(b"")
    message = refusal(root)
    assert "5 of 32" in message
    assert "3 Git LFS pointers" in message
    assert "git lfs pull" in message
    assert "1 of git-annex" in message
    assert "1 empty (masks/s04.png)" in message


def test_files_that_only_their_dvc_files_name_are_counted(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    for sample_id in IDS[:2]:
        for kind in ("images", "masks"):
            file = root / f"roads/{kind}/{sample_id}.png"
            file.rename(file.with_name(f"{file.name}.dvc"))
    assert "4 of DVC" in refusal(root)
    assert "4 of DVC" in refusal(root, images="images/*.png", masks="masks/*.png")


def test_a_dvc_file_beside_its_own_file_changes_nothing(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    (root / "roads/images/s00.png.dvc").write_text("outs: []")
    assert len(make_reader("roads", DatasetSettings(), root).records()) == 16


def test_files_of_samples_that_no_split_uses_need_not_be_here(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    replace_by_link(root / "roads/images/s15.png", ".git/annex/objects/x.png")
    (root / "roads/train.txt").write_text("\n".join(IDS[:10]))
    (root / "roads/test.txt").write_text("\n".join(IDS[10:15]))
    settings = DatasetSettings.model_validate({"split": {"method": "lists", "train": "train.txt", "test": "test.txt"}})
    assert len(make_reader("roads", settings, root).records()) == 15


@pytest.mark.parametrize("missing", ["roads", "roads/images", "roads/masks"])
def test_a_missing_folder_that_dvc_tracks_is_pulled(write_dataset: Writer, missing: str) -> None:
    root = write_dataset(IDS)
    (root / missing).rename(root / "elsewhere")
    (root / f"{missing}.dvc").write_text("outs: []")
    assert f"dvc pull {Path(missing).name}.dvc" in refusal(root)


def test_a_data_set_that_links_to_nothing_says_where_to(write_dataset: Writer) -> None:
    root = write_dataset(IDS)
    (root / "roads").rename(root / "elsewhere")
    (root / "roads").symlink_to("/mnt/nas/roads")
    assert "/mnt/nas/roads" in refusal(root)


def test_maps_that_were_not_fetched_are_counted_when_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps/a.npy", np.full((4, 4), 0.5, np.float32))
    for key in "bcd":
        (tmp_path / f"maps/{key}.npy").symlink_to("../.git/annex/objects/x.npy")
    folder = MapFolder(tmp_path, "maps", None, MapReading())
    assert folder.digest(["a"])
    with pytest.raises(UserError, match=r"2 of 3 files are not here.*b\.npy, c\.npy.*git annex get"):
        folder.digest(["a", "b", "c"])
    with pytest.raises(UserError, match="git annex get"):
        folder.logits("b", (4, 4))


def test_an_image_to_refine_that_was_not_fetched_fails_instead_of_being_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(".git/annex/objects/x.png")
    images = images_below(tmp_path, False, tmp_path / "out")
    assert list(images) == ["a"]
    with pytest.raises(UserError, match="git annex get"):
        decoded(images["a"], None)
    with pytest.raises(UserError, match="git annex get"):
        decode_image(images["a"])


def test_a_small_picture_is_no_pointer(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 1 1 255 x")
    assert absent_kind(tmp_path / "a.pgm") is None
    assert absent_kind(tmp_path / "missing.png") is None
