"""Stored samples of three classes with TTA, and work in several row ranges."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd

from prn_pipeline.data.execution.settings import LocalEngine, Result, RowRange
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples

C, SIDE = 3, 16


def class_samples(folder: Path, images: int = 8) -> Samples:
    """Samples of three classes: half val, half test; some pixels are ignored. One row per image and class."""
    draw = np.random.default_rng(0)
    truth = draw.choice([0, 1, 2, 255], (images, SIDE, SIDE), p=[0.5, 0.3, 0.1, 0.1]).astype(np.uint8)
    hot = truth[:, None] == np.arange(C)[:, None, None]
    logits = (2 * hot - 1 + draw.normal(0, 1.5, hot.shape)).astype(np.float16).reshape(-1, SIDE, SIDE)
    better = (2 * hot - 1 + draw.normal(0, 1, hot.shape)).astype(np.float16).reshape(-1, 1, SIDE, SIDE)
    tta = np.concatenate([better, logits[:, None]], axis=1)
    pictures = draw.integers(0, 256, (images, SIDE, SIDE, 3), dtype=np.uint8)
    manifest = pd.DataFrame(
        {
            "sample_id": [f"image-{number}" for number in range(images)],
            "split": ["val"] * (images // 2) + ["test"] * (images - images // 2),
            "fold": 0,
            "group": [f"group-{number // 2}" for number in range(images)],
        }
    )
    manifest.attrs[IDENTITY] = "classes"
    attributes = {IDENTITY: "classes"}
    write_arrays(folder / "s.zarr", ArrayStream([{"images": pictures, "masks": truth}], attributes | {CLASSES: C}))
    write_arrays(folder / "m.zarr", ArrayStream([{"logits": logits, "tta": tta}], attributes))
    return map_samples(manifest, {"samples": ArrayStore(folder / "s.zarr"), "maps": ArrayStore(folder / "m.zarr")})


def refined_store(samples: Samples, folder: Path) -> ArrayStore:
    """Refined logits of the test rows: the base model's, a little nearer to the truth."""
    rows = samples.rows(["test"])
    truth = samples.array("masks", rows) == 1
    logits = samples.array("logits", rows).astype(np.float32) + 0.8 * truth
    write_arrays(folder / "r.zarr", ArrayStream([{"logits": logits.astype(np.float16)}]))
    return ArrayStore(folder / "r.zarr")


class ManyRanges(LocalEngine):
    """One row range per image, as an engine with many workers has them; `asked` has what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def row_ranges(self, rows: int, maps_per_image: int = 1) -> list[RowRange]:
        self.asked.append((rows, maps_per_image))
        return [(first, first + maps_per_image) for first in range(0, rows, maps_per_image)]

    def run(self, work: Callable[[RowRange], Result], row_ranges: Iterable[RowRange]) -> Iterator[Result]:
        shared = cloudpickle.dumps(work)  # once, as for workers: results of one range are nothing to the next
        return (cloudpickle.loads(shared)(row_range) for row_range in row_ranges)
