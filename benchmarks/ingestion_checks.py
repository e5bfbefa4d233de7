"""`python -m benchmarks.ingestion_checks OLD`: what this checkout's checks add to the ingestion of another one.

OLD is the root of a checkout to compare with, for example of `git worktree add ../old COMMIT`. Both ingest the same
generated images (JPEG, with PNG masks), each in processes of its own and in turns: processor time of all threads, which
other work on the machine changes less than the clock. The fastest of the repeats counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

#: Ingests a folder as the pipeline's node does, and the sheet where the checkout has one; prints seconds as JSON.
WORK = """
import json, sys, time
from pathlib import Path
from prn_pipeline.data.store.array_store import ArrayStore, write_arrays
from prn_pipeline.pipelines.ingestion import nodes
clocks = time.perf_counter, time.process_time
before = [clock() for clock in clocks]
stream, manifest, *_ = nodes.ingest("set", {"image_size": 256}, sys.argv[1])
write_arrays(Path(sys.argv[2]), stream)
if hasattr(nodes, "draw_samples"):
    nodes.draw_samples("set", ArrayStore(Path(sys.argv[2])), manifest)
print(json.dumps([clock() - start for clock, start in zip(clocks, before)]))
"""


def write_data(root: Path, count: int, size: int) -> None:
    """A data set `set` below `root`: smooth scenes with noise, and masks of several blobs."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / "set" / kind).mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        scene = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = np.clip(scene + rng.integers(-12, 13, scene.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(root / f"set/images/{number:05d}.jpg", quality=92)
        mask = np.where(scene[..., 0] > 170, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(root / f"set/masks/{number:05d}.png")


def ingest(checkout: Path, data: Path, out: Path) -> tuple[float, float]:
    """Seconds by the clock, and of processor time, that a checkout needs."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-W", "ignore", "-c", WORK, str(data), str(out)]
    done = subprocess.run(command, env=environment, cwd=checkout, check=True, capture_output=True, text=True)
    wall, processor = json.loads(done.stdout.splitlines()[-1])
    return wall, processor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    checkouts = {"old": options.old.resolve(), "new": Path(__file__).resolve().parents[1]}
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), options.images, options.size)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
        for repeat in range(options.repeats):
            for name, checkout in checkouts.items():
                taken[name].append(ingest(checkout, Path(folder), Path(folder) / f"{name}-{repeat}.zarr"))
    for column, clock in enumerate(("clock", "processor")):
        old, new = (min(seconds[column] for seconds in taken[name]) for name in checkouts)
        print(f"{clock}: old {old:.2f} s, new {new:.2f} s, {100 * (new / old - 1):+.1f} %")


if __name__ == "__main__":
    main()
