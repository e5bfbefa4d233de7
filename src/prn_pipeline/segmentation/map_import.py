"""Files of maps, read, checked and brought to the size of the samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.resizing import at_size
from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.maps import one_vs_rest

#: Stands for the other program in the manifest of the maps.
EXTERNAL = "external"
#: Threads that decode files.
READERS = 4
#: Problems that one message lists.
MAX_LISTED = 10


def assign_maps(manifest: pd.DataFrame, folder: MapFolder, seen: Collection[str]) -> pd.DataFrame:
    """The manifest of the maps, in the form of `map_assignment.assign_models`.

    Args:
        manifest: one row per map (`class_maps.map_samples`).
        folder: of the maps; it may hold maps of images that are no samples, too.
        seen: splits whose images the model was trained on. Their maps may be missing: a refiner does not need them.

    Returns:
        sample_id, split, fold, model (`EXTERNAL` or `NO_MAP`), seen_in_training; one row per map, in order.

    Raises:
        UserError: maps of other splits are missing.
    """
    maps = manifest[["sample_id", "split", "fold"]].copy()
    has_map = maps["sample_id"].map(lambda sample_id: sample_id in folder)
    unseen = ~maps["split"].isin(list(seen))
    missing = maps[unseen & ~has_map].drop_duplicates("sample_id")
    if len(missing):
        splits = [split for split in SPLITS if split in set(missing["split"])]
        more = ", ..." if len(missing) > MAX_LISTED else ""
        expected = maps.loc[maps["split"].isin(splits), "sample_id"].nunique()
        raise UserError(
            f"{folder.place}: {len(missing)} of {expected} samples in {' + '.join(splits)} have"
            f" no map: {', '.join(missing['sample_id'][:MAX_LISTED])}{more}. There are {len(folder)} maps, such as"
            f" {folder.examples}. Write the missing ones, or say with `name` how their names become ids."
        )
    return maps.assign(model=np.where(has_map, EXTERNAL, NO_MAP), seen_in_training=~unseen)


def imported_maps(
    samples: Samples, map_manifest: pd.DataFrame, folder: MapFolder, wanted: np.ndarray | None = None
) -> Iterator[Batch]:
    """The maps of samples in order of the manifest; zeros where there is none.

    Args:
        samples: with images, whose size the maps are brought to; one row per sample.
        map_manifest: of `assign_maps`; with C classes there are C rows per sample.
        folder: of the maps.
        wanted: rows of `map_manifest`, all maps of an image or none, int64 (n,); None: all.

    Yields:
        logits float16 (B,S,S).

    Raises:
        UserError: maps that cannot be used, up to `MAX_LISTED` of them at once.
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
            return at_size(read_maps(folder, ids[row], (int(height), int(width)), classes), size)
        except UserError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        for shard in shards(np.arange(len(map_manifest)) if wanted is None else wanted, classes):
            results = list(pool.map(read, (shard[::classes] // classes).tolist()))
            problems += [str(result) for result in results if isinstance(result, UserError)]
            if len(problems) >= MAX_LISTED:
                break
            if not problems:
                yield {"logits": np.concatenate([result for result in results if not isinstance(result, UserError)])}
    if problems:
        listed = "".join(f"\n- {problem}" for problem in problems[:MAX_LISTED])
        raise UserError(f"maps that cannot be used{' (the first)' if len(problems) >= MAX_LISTED else ''}:{listed}")


def read_maps(folder: MapFolder, sample_id: str, native: tuple[int, int], classes: int) -> Tensor:
    """The maps of one image: logits (C,h,w), each of a class against the others.

    Raises:
        UserError: see `MapFolder.logits`.
    """
    return as_maps(folder.logits(sample_id, native, classes), classes, folder.holds_logits)


def as_maps(logits: NDArray[np.float32], classes: int, of_softmax: bool) -> Tensor:
    """Decoded logits (h,w) or (C,h,w) -> (C,h,w), each of a class against the others.

    Args:
        logits: as `map_decoding.decode_map` returns them.
        classes: C.
        of_softmax: with several classes the logits are of a softmax, and not yet of a class against the others.
    """
    maps = torch.from_numpy(logits)
    if classes > 1 and of_softmax:
        maps = one_vs_rest(maps[None])[0]
    return maps.reshape(classes, *maps.shape[-2:])
