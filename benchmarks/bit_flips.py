"""`python -m benchmarks.bit_flips`: flips bits, one at a time, in every kind of artefact, and loses its files.

A reader may refuse what was damaged (a user error), or read exactly what was written: some bits mean nothing. It must
not read anything else, and not fail in another way.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from benchmarks.stored_artefacts import KINDS, Artefact
from prn_pipeline.commands.user_errors import as_user_error

Outcome = Literal["refused", "unchanged", "changed", "failed"]
#: Outcomes as the table calls them.
OUTCOMES: dict[Outcome, str] = {
    "refused": "refused",
    "unchanged": "read as written",
    "changed": "read otherwise",
    "failed": "traceback",
}


@dataclass(frozen=True)
class Damage:
    """One damaged file: `how` as text, and its content."""

    file: Path
    how: str
    content: bytes | None


def flips(folder: Path, count: int, seed: int = 0) -> Iterator[Damage]:
    """Single flipped bits, drawn uniformly over all bits of all files."""
    files = {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
    draw = random.Random(seed)
    for _ in range(count):
        (file,) = draw.choices(list(files), [len(content) for content in files.values()])
        bit = draw.randrange(8 * len(files[file]))
        content = bytearray(files[file])
        content[bit // 8] ^= 1 << bit % 8
        yield Damage(file, f"bit {bit}", bytes(content))


def losses(folder: Path) -> Iterator[Damage]:
    """Every file once missing, once empty, and once only its first half."""
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        content = file.read_bytes()
        yield Damage(file, "missing", None)
        if content:
            yield Damage(file, "empty", b"")
            yield Damage(file, "half", content[: len(content) // 2])


def outcome_of(damage: Damage, artefact: Artefact, folder: Path, expected: Any) -> Outcome:
    """What the reader makes of a damaged file, which is restored afterwards."""
    intact = damage.file.read_bytes()
    try:
        if damage.content is None:
            damage.file.unlink()
        else:
            damage.file.write_bytes(damage.content)
        found = artefact.read(folder)
    except Exception as error:
        return "failed" if as_user_error(error) is None else "refused"
    finally:
        damage.file.write_bytes(intact)
    return "unchanged" if equal(found, expected) else "changed"


def equal(one: Any, other: Any) -> bool:
    """Whether two values that readers return are the same to the bit; NaN equals NaN."""
    if isinstance(one, pd.DataFrame):
        return isinstance(other, pd.DataFrame) and one.equals(other) and one.attrs == other.attrs
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and equal(one.numpy(), other.numpy())
    if isinstance(one, np.ndarray):
        same = isinstance(other, np.ndarray) and one.dtype == other.dtype and one.shape == other.shape
        return same and one.tobytes() == other.tobytes()
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and (one == other or repr(one) == repr(other) == "nan")


def tally(artefact: Artefact, damages: Callable[[Path], Iterator[Damage]]) -> Counter[Outcome]:
    """Outcomes of all damages to one artefact."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        artefact.write(folder)
        expected = artefact.read(folder)
        return Counter(outcome_of(damage, artefact, folder, expected) for damage in list(damages(folder)))


def main() -> None:
    """Print a table with one row per kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=10_000, help="flipped bits per kind")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    columns = [f"{what}: {outcome}" for what in ("bits", "lost files") for outcome in OUTCOMES.values()]
    print(f"| artefact | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name in options.kinds:
        of_bits = tally(KINDS[name], lambda folder: flips(folder, options.flips))
        of_files = tally(KINDS[name], losses)
        cells = [of[key] for of in (of_bits, of_files) for key in OUTCOMES]
        print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
