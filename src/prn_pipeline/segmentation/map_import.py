"""Maps from files: read, checked, and resized to the samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.resizing import placed_maps
from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError

#: Model name in the manifest for maps that another program wrote.
EXTERNAL = "external"
#: Threads that decode files.
READERS = 4
#: Problems that one message lists.
MAX_LISTED = 10


def assign_maps(manifest: pd.DataFrame, folder: MapFolder, seen: Collection[str]) -> pd.DataFrame:
    """The manifest of the maps, in the form of `map_assignment.assign_models`.

    Args:
        manifest: one row per map (`class_maps.map_samples`).
        folder: folder of the maps, which may also hold maps of images that are not samples.
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
        only_train = (
            ""
            if splits != ["train"]
            else " If the model was trained on them, set `seen: [train]`: then these maps are not needed."
        )
        expected = maps.loc[maps["split"].isin(splits), "sample_id"].nunique()
        raise UserError(
            f"{folder.place}: {len(missing)} of {expected} samples in {' + '.join(splits)} have"
            f" no map: {', '.join(missing['sample_id'][:MAX_LISTED])}{more}. The folder has {len(folder)} maps, such as"
            f" {folder.examples}. Write the missing maps, or set `name` to the pattern of sample ids in file names."
            f"{only_train}"
        )
    return maps.assign(model=np.where(has_map, EXTERNAL, NO_MAP), seen_in_training=~unseen)


def imported_maps(
    samples: Samples, map_manifest: pd.DataFrame, folder: MapFolder, wanted: np.ndarray | None = None
) -> Iterator[Batch]:
    """Maps of samples in the order of the manifest; zeros for samples without a map.

    Args:
        samples: samples with images, one row per sample; the maps are resized to the images.
        map_manifest: manifest of `assign_maps`; with C classes, C rows per sample.
        folder: folder of the maps.
        wanted: rows of `map_manifest`, int64 (n,), always all maps of an image; None for all rows.

    Yields:
        logits float16 (B,H,W), as the samples.

    Raises:
        UserError: maps are invalid; the message lists up to `MAX_LISTED` of them.
    """
    canvas = samples.canvas
    classes = len(map_manifest) // len(samples.manifest)
    ids, models = (map_manifest[name].to_numpy()[::classes] for name in ("sample_id", "model"))
    native = samples.manifest[["native_height", "native_width"]].to_numpy()
    problems: list[str] = []

    def read(row: int) -> NDArray[np.float16] | UserError:
        if models[row] == NO_MAP:
            return np.zeros((classes, *canvas.shape), np.float16)
        try:
            height, width = map(int, native[row])
            return placed_maps(read_maps(folder, ids[row], (height, width), classes), canvas, (height, width))
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
        count = f"the first {MAX_LISTED}" if len(problems) >= MAX_LISTED else str(len(problems))
        raise UserError(f"{folder.place}: maps are invalid ({count} listed):{listed}")


def read_maps(folder: MapFolder, sample_id: str, native: tuple[int, int], classes: int) -> Tensor:
    """The maps of one image: one-vs-rest logits (C,h,w).

    Raises:
        UserError: see `MapFolder.logits`.
    """
    return as_maps(folder.logits(sample_id, native, classes), classes, folder.reading.holds_logits)


def as_maps(logits: NDArray[np.float32], classes: int, of_softmax: bool) -> Tensor:
    """Decoded logits (h,w) or (C,h,w) -> one-vs-rest logits (C,h,w).

    Args:
        logits: as `map_decoding.decode_map` returns them.
        classes: number of classes, C.
        of_softmax: whether logits of several classes are those of a softmax, instead of one-vs-rest logits.
    """
    maps = torch.from_numpy(np.ascontiguousarray(logits))
    if classes > 1 and of_softmax:
        maps = one_vs_rest(maps[None])[0]
    return maps.reshape(classes, *maps.shape[-2:])
