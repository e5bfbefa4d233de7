"""Small files that claim, or unfold to, more than memory: refused before memory is taken, in bounded time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.fuzz_files import READERS
from benchmarks.hostile_files import PICTURES, gif, jpeg_of, npy, npz, page, png, tiff, zarr_json
from benchmarks.soak.children import call
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World
from prn_pipeline.commands.user_errors import as_user_error

#: Time limit of one file, in seconds, and how much more memory than before its reader may use, in MiB.
LIMIT, MEMORY = 20.0, 300
#: Files of one attempt.
COUNT = 20


def read_bombs(draw: random.Random, folder: Path, world: World) -> Attempt:
    """Some bombs, each read by a reader that a user's file may reach."""
    del world
    bombs = [_bomb(draw, folder / str(number)) for number in range(COUNT)]
    reads = [(file, draw.choice(list(READERS))) for file in bombs]
    findings = []
    for file, reader, outcome, seconds, grown in call(_read_all, reads, seconds=LIMIT * 5, memory=8):
        what = f"{file.name} read as {reader}"
        if outcome not in ("refused", "read"):
            findings.append(Finding("traceback", f"{what}: {outcome}"))
        if grown > MEMORY:
            findings.append(Finding("mismatch", f"{what}, {outcome}: memory grew by {grown:.0f} MiB"))
        if seconds > LIMIT:
            findings.append(Finding("hang", f"{what}, {outcome}: {seconds:.0f} s"))
    return Attempt(findings, COUNT)


def _bomb(draw: random.Random, folder: Path) -> Path:
    folder.mkdir()
    kind = draw.choice(list(KINDS))
    return KINDS[kind](draw, folder)


def _huge(draw: random.Random, low: float = 5.0, high: float = 9.0) -> int:
    return int(10 ** draw.uniform(low, high))


def _kept(draw: random.Random, folder: Path) -> Path:
    name = draw.choice(list(PICTURES))
    (folder / name).write_bytes(PICTURES[name])
    return folder / name


def _npy(draw: random.Random, folder: Path) -> Path:
    shape = tuple(_huge(draw, 3.5, 7) for _ in range(draw.choice([1, 2, 2, 3])))
    file = folder / f"{shape}.npy"
    file.write_bytes(npy(shape, draw.choice(["<f4", "<f8", "|u1", "<c16", "<f2"]), b"\0" * draw.choice([0, 100])))
    return file


def _npz(draw: random.Random, folder: Path) -> Path:
    side = _huge(draw, 4.6, 6)
    zeros = b"\0" * 2**20 * draw.choice([0, 1, 64])
    return npz(folder / f"{side}.npz", a=npy((side, side), "<f4", zeros))


def _tiff(draw: random.Random, folder: Path) -> Path:
    height, width, samples = _huge(draw, 4, 9), _huge(draw, 4.8, 9), draw.choice([1, 3, 4, 65535])
    tags = {"t284": draw.choice([1, 2]), "t259": draw.choice([1, 5, 8, 32773])}
    file = folder / f"{height}x{width}x{samples}.tif"
    file.write_bytes(tiff([page(min(height, 2**31), min(width, 2**31), samples, **tags)] * draw.choice([1, 3])))
    return file


def _pages(draw: random.Random, folder: Path) -> Path:
    file = folder / "pages.tif"
    pages = draw.choice([10_001, 50_000])
    file.write_bytes(tiff([page(4, 4)] * pages, back_to=draw.choice([0, 16])))
    return file


def _described(draw: random.Random, folder: Path) -> Path:
    number = _huge(draw, 7, 12)
    text = draw.choice([f"ImageJ=1.11a\nimages={number}\n", f'{{"shape": [{number}, 16, 16]}}'])
    file = folder / "described.tif"
    file.write_bytes(tiff([page(16, 16)], description=text))
    return file


def _picture(draw: random.Random, folder: Path) -> Path:
    height, width = (min(_huge(draw, 4.5, 9), 2**31 - 1) for _ in range(2))
    kinds: dict[str, Callable[[], bytes]] = {
        "png": lambda: png(height, width, draw.choice([0, 2**31 - 1])),
        "gif": lambda: gif(min(height, 65_535), min(width, 65_535), draw.choice([1, 20_000])),
        "jpg": lambda: jpeg_of(min(height, 65_500), min(width, 65_500)),
    }
    suffix = draw.choice(list(kinds))
    file = folder / f"{height}x{width}.{suffix}"
    file.write_bytes(kinds[suffix]())
    return file


def _zarr(draw: random.Random, folder: Path) -> Path:
    shape = [_huge(draw, 5, 9) for _ in range(2)]
    chunks = shape if draw.random() < 0.5 else [_huge(draw, 0, 5) for _ in range(2)]
    return zarr_json(folder / "a.zarr", shape, chunks, draw.choice(["float32", "uint8"]))


KINDS = {one.__name__: one for one in (_kept, _npy, _npz, _tiff, _pages, _described, _picture, _zarr)}


def _read_all(reads: list[tuple[Path, str]]) -> list[tuple[Path, str, str, float, float]]:
    """File, reader, outcome, seconds, MiB of peak memory beyond what there was."""
    np.zeros(1)
    return [(file, reader, *_read(file, reader)) for file, reader in reads]


def _read(file: Path, reader: str) -> tuple[str, float, float]:
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use
    before, start = _memory("VmRSS"), time.monotonic()
    try:
        READERS[reader](file)
        outcome = "read"
    except Exception as error:
        outcome = "refused" if as_user_error(error) else f"{type(error).__name__}: {error}"[:300]
    return outcome, time.monotonic() - start, (_memory("VmHWM") - before) / 1024


def _memory(name: str) -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return float(line.split()[1])
