"""Data sets with a domain shift: the base model learns from the old domain and is used on the new one.

The images of the old domain are split train; those of the new domain are val (the few that are labelled) and test. They
are derived from other data sets without randomness, in a folder of their own.
"""

from __future__ import annotations

import csv
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from prn_pipeline.errors import UserError

#: A sample: id, image file or changed image, mask file or changed mask, split.
Sample = tuple[str, Path | Image.Image, Path | Image.Image, str]

#: Median grey value that tells nuclei on a dark ground (fluorescence) from stained tissue on a bright one.
BRIGHT = 120
#: One in this many images of the new domain is labelled.
LABELLED_ONE_IN = 3
MOST_LABELLED = 60


def other_stain(root: Path) -> Iterator[Sample]:
    """Nuclei: a base model for fluorescence meets stained tissue."""
    new = 0
    for image, mask in pairs(root / "dsb2018_nuclei"):
        bright = float(np.median(np.asarray(Image.open(image).convert("RGB")))) > BRIGHT
        yield image.stem, image, mask, _labelled(new) if bright else "train"
        new += bright


def other_scope(root: Path) -> Iterator[Sample]:
    """Polyps: another exposure, another colour, a softer lens."""
    folder = root / "kvasir_seg"
    everything = pairs(folder)
    tested = set((folder / "official_val.txt").read_text().split())
    learned = [pair for pair in everything if pair[0].stem not in tested]
    step = len(learned) // MOST_LABELLED
    labelled = set(range(0, step * MOST_LABELLED, step))
    for number, (image, mask) in enumerate(learned):
        if number in labelled:
            yield image.stem, _seen_by_another_scope(image), mask, "val"
        else:
            yield image.stem, image, mask, "train"
    for image, mask in everything:
        if image.stem in tested:
            yield image.stem, _seen_by_another_scope(image), mask, "test"


def other_height(root: Path) -> Iterator[Sample]:
    """Roads: an aeroplane that flies at half the height; each new image is a quarter of an old one."""
    for number, (image, mask) in enumerate(pairs(root / "epfl_roads")):
        if number % 5 < 3:
            yield image.stem, image, mask, "train"
            continue
        split = "val" if number % 5 == 3 else "test"
        for quarter, (picture, truth) in enumerate(zip(_quarters(image), _quarters(mask), strict=True)):
            yield f"{image.stem}_{quarter}", picture, truth, split


SHIFTED: dict[str, Callable[[Path], Iterator[Sample]]] = {
    "nuclei_other_stain": other_stain,
    "polyps_other_scope": other_scope,
    "roads_other_height": other_height,
}


def make_shifted(name: str, root: Path, folder: Path) -> None:
    """Write data set `name`, made from the data sets below `root`, to `folder`/`name`, unless it is there."""
    target = folder / name
    if (target / "splits.csv").is_file():
        return
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(["sample_id", "split"])
    for sample_id, image, mask, split in SHIFTED[name](root):
        for kind, content in (("images", image), ("masks", mask)):
            _put(target / kind, sample_id, content)
        table.writerow([sample_id, split])
    (target / "splits.csv").write_text(rows.getvalue())  # last: a data set without it is written again


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Images of a data set with their masks, by name.

    Raises:
        UserError: the data set is not there.
    """
    if missing := [kind for kind in ("images", "masks") if not (folder / kind).is_dir()]:
        raise UserError(
            f"{folder} has no folder {missing[0]}: set PRN_DATA_ROOT to the folder that holds {folder.name}"
        )
    masks = {mask.stem: mask for mask in (folder / "masks").iterdir()}
    return [(image, masks[image.stem]) for image in sorted((folder / "images").iterdir())]


def _labelled(number: int) -> str:
    return "val" if number % LABELLED_ONE_IN == 0 else "test"


def _seen_by_another_scope(image: Path) -> Image.Image:
    """Darker or lighter, greener or redder, and blurred; how much depends on the name alone."""
    draws = np.random.default_rng(zlib.crc32(image.stem.encode())).uniform(size=3)
    picture = ImageEnhance.Brightness(Image.open(image).convert("RGB")).enhance(0.45 + 0.2 * draws[0])
    red, green, blue = picture.split()
    red, blue = (
        band.point(lambda value, by=by: value * by) for band, by in ((red, 0.75), (blue, 1.2 + 0.3 * draws[1]))
    )
    blurred = Image.merge("RGB", (red, green, blue)).filter(ImageFilter.GaussianBlur(1.5 + float(draws[2])))
    return ImageEnhance.Color(blurred).enhance(0.6)


def _quarters(file: Path) -> Iterator[Image.Image]:
    picture = Image.open(file)
    width, height = picture.width // 2, picture.height // 2
    for top in (0, height):
        for left in (0, width):
            yield picture.crop((left, top, left + width, top + height))


def _put(folder: Path, sample_id: str, content: Path | Image.Image) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        link = folder / f"{sample_id}{content.suffix}"
        if not link.exists():
            os.symlink(content.resolve(), link)
    else:
        content.save(folder / f"{sample_id}.png")
