"""Maps of another program in place of a base model's own: read, checked, brought to the samples' size."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.resizing import at_size
from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_files import maps_of

#: Says in the manifest of the maps who made them.
EXTERNAL = "external"
#: Threads that decode files, and problems that one message lists.
READERS, REPORTED = 4, 10


def assign_maps(manifest: pd.DataFrame, folder: MapFolder, seen: Collection[str]) -> pd.DataFrame:
    """The manifest of the maps, as `logit_caching.assign_models` gives it.

    Args:
        manifest: of the maps, a row a map (`class_maps.map_samples`).
        folder: of the maps; it may hold more, for images that are no samples.
        seen: splits whose images the model was trained on. Their maps may be missing: PRN does not need them.

    Returns:
        sample_id, split, fold, model (`EXTERNAL` or `NO_MAP`), seen_in_training; a row a map, in order.

    Raises:
        UserError: maps of other splits are missing.
    """
    maps = manifest[["sample_id", "split", "fold"]].copy()
    there = maps["sample_id"].map(lambda sample_id: sample_id in folder)
    unseen = ~maps["split"].isin(list(seen))
    lacking = maps[unseen & ~there].drop_duplicates("sample_id")
    if len(lacking):
        splits = [split for split in SPLITS if split in set(lacking["split"])]
        more = ", ..." if len(lacking) > REPORTED else ""
        expected = maps.loc[maps["split"].isin(splits), "sample_id"].nunique()
        raise UserError(
            f"{folder.place}: {len(lacking)} of {expected} samples in {' + '.join(splits)} have"
            f" no map: {', '.join(lacking['sample_id'][:REPORTED])}{more}. There are {len(folder)} maps, such as"
            f" {folder.examples}. Write the missing ones, or say with `name` how their names become ids."
        )
    return maps.assign(model=np.where(there, EXTERNAL, NO_MAP), seen_in_training=~unseen)


def imported_maps(samples: Samples, map_manifest: pd.DataFrame, folder: MapFolder) -> Iterator[Batch]:
    """The maps of all samples in order of the manifest; zeros where there is none.

    Args:
        samples: with images, which say how large the maps become; a row a sample.
        map_manifest: of `assign_maps`; with several classes so many rows a sample.
        folder: of the maps.

    Yields:
        logits float16 (B,S,S).

    Raises:
        UserError: maps that cannot be used, up to `REPORTED` of them at once.
    """
    size = samples.store_of("images").shape("images")[1]
    classes = len(map_manifest) // len(samples.manifest)
    ids, models = (map_manifest[name].to_numpy()[::classes] for name in ("sample_id", "model"))
    native = samples.manifest[["native_height", "native_width"]].to_numpy()
    problems: list[str] = []

    def read(row: int) -> NDArray[np.float16] | UserError:
        if models[row] == NO_MAP:
            return np.zeros((classes, size, size), np.float16)
        try:
            height, width = native[row]
            return at_size(maps_of(folder, ids[row], (int(height), int(width)), classes), size)
        except UserError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        for part in shards(np.arange(len(map_manifest)), classes):
            results = list(pool.map(read, (part[::classes] // classes).tolist()))
            problems += [str(result) for result in results if isinstance(result, UserError)]
            if len(problems) >= REPORTED:
                break
            if not problems:
                yield {"logits": np.concatenate([result for result in results if not isinstance(result, UserError)])}
    if problems:
        listed = "".join(f"\n- {problem}" for problem in problems[:REPORTED])
        raise UserError(f"maps that cannot be used{' (the first)' if len(problems) >= REPORTED else ''}:{listed}")
