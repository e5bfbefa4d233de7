"""`python -m benchmarks.strong_models MAPS`: data sets with the maps of strong models that nobody here trained.

MAPS is a folder of .npz files, one array of logits per image, and of tables of splits. Images and masks are those of
the data sets below PRN_DATA_ROOT. Everything becomes a link in data/01_raw; nothing is copied.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.run_once import DATA
from prn_pipeline.errors import UserError


class StrongMaps(NamedTuple):
    """A data set and the maps that models from elsewhere made of its images.

    Attributes:
        source: folder of images and masks, below the folder of all data sets.
        kinds: its sub-folders that belong to the images.
        splits: table of splits, among the maps; other images are left out.
        maps: name of a model -> file of its maps.
    """

    source: str
    kinds: tuple[str, ...]
    splits: str
    maps: dict[str, str]


STRONG: dict[str, StrongMaps] = {
    "ecssd_strong": StrongMaps(
        "ecssd",
        ("images", "masks"),
        "ecssd_splits.csv",
        {"isnet_512": "ecssd_isnet512.npz", "isnet_1024": "ecssd_isnet1024.npz"},
    ),
    "drive_strong": StrongMaps(
        "drive/test",
        ("images", "masks", "fov"),
        "drive_splits.csv",
        {"wnet": "drive_wnet.npz", "wnet_flips": "drive_wnet_flips.npz"},
    ),
}


def link_strong(name: str, root: Path, maps: Path, folder: Path) -> Path:
    """Link data set `name` into `folder`/`name`, and return that folder.

    Args:
        name: key of `STRONG`.
        root: folder of all data sets.
        maps: folder of the maps and splits.
        folder: where the data set is built; links that are there already are made again.

    Raises:
        UserError: a file is missing. Nothing is linked then.
    """
    strong = STRONG[name]
    splits = maps / strong.splits
    links = {Path("splits.csv"): splits}
    links |= {Path("maps") / f"{model}.npz": maps / file for model, file in strong.maps.items()}
    if missing := [file for file in links.values() if not file.is_file()]:
        raise UserError(f"no file {missing[0]}: give the folder that holds the maps, with {missing[0].name}")
    with splits.open() as table:
        ids = [row["sample_id"] for row in csv.DictReader(table)]
    for kind in strong.kinds:
        place = root / strong.source / kind
        if not place.is_dir():
            raise UserError(f"no folder {place}: set PRN_DATA_ROOT to the folder that holds {strong.source}")
        files = {file.stem: file for file in place.iterdir()}
        if lacking := [sample_id for sample_id in ids if sample_id not in files]:
            raise UserError(f"{place} has no file of {lacking[0]}, which {splits} lists")
        links |= {Path(kind) / files[sample_id].name: files[sample_id] for sample_id in ids}
    for place, target in links.items():
        link = folder / name / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve())
    return folder / name


def main(maps: Path) -> None:
    """Every data set of `STRONG`."""
    raw = DATA / "01_raw"
    root = Path(os.environ.get("PRN_DATA_ROOT") or raw)
    for name in STRONG:
        print(f"linked {link_strong(name, root, maps, raw)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m benchmarks.strong_models MAPS")
    try:
        main(Path(sys.argv[1]))
    except UserError as error:
        raise SystemExit(str(error)) from None
