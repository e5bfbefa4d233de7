"""All maps of an image that other programs wrote: of the base model, of its TTA, and of further models."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.array_store import Batch
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.input_names import TTA
from prn_pipeline.segmentation.map_import import EXTERNAL, assign_maps, imported_maps, read_maps
from prn_pipeline.segmentation.map_inputs import further_array

logger = logging.getLogger(__name__)

#: Folders of maps by the array that is made of them and the base model's (`map_inputs`).
FurtherFolders = Mapping[str, tuple[MapFolder, ...]]


@dataclass(frozen=True)
class MapStack:
    """Folders of maps of the same images.

    Attributes:
        base: maps of the base model.
        further: maps of further models, and of the base model's TTA.
        tta_is_mean: whether the maps of TTA are the mean over its passes.
        labels: name of each model's maps, the base model's first.
    """

    base: MapFolder
    further: FurtherFolders = field(default_factory=dict)
    tta_is_mean: bool = False
    labels: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[MapFolder, ...]:
        """All folders, the base model's first."""
        return (self.base, *chain(*self.further.values()))

    def assigned(self, maps: pd.DataFrame, seen: Collection[str]) -> pd.DataFrame:
        """`map_import.assign_maps`; an image has a map if every folder has one."""
        manifest, *others = (assign_maps(maps, folder, seen) for folder in self.folders)
        lacking = manifest["model"] == NO_MAP
        for other in others:
            lacking |= other["model"] == NO_MAP
        return manifest.assign(model=manifest["model"].mask(lacking, NO_MAP))

    def digests(self, sample_ids: Sequence[str]) -> dict[str, str]:
        """Digest of each folder's maps by a name; warns of folders with the same maps."""
        found: dict[str, str] = {}
        for number, folder in enumerate(self.folders):
            digest = folder.digest(sample_ids)
            if digest in found.values():
                first = self.folders[list(found.values()).index(digest)]
                logger.warning("%s and %s hold the same maps: one of them adds nothing", first.place, folder.place)
            found[f"{EXTERNAL}:{number + 1}" if number else EXTERNAL] = digest
        return found

    def batches(
        self, samples: Samples, manifest: pd.DataFrame, keep: Collection[str], wanted: np.ndarray | None = None
    ) -> Iterator[Batch]:
        """Maps of samples in the order of the manifest; see `imported_maps`.

        Args:
            samples: samples with images; maps are resized to them.
            manifest: result of `assigned`.
            keep: arrays of `further` to make in addition to the logits.
            wanted: rows of `manifest`; None for all.

        Yields:
            logits float16 (B,S,S), and the kept arrays of `map_inputs`, float16 (B,K,S,S).

        Raises:
            UserError: maps are invalid.
        """
        kept = {name: folders for name, folders in self.further.items() if name in keep}
        read = (imported_maps(samples, manifest, folder, wanted) for folder in (self.base, *chain(*kept.values())))
        for batches in zip(*read, strict=True):
            base, *others = (batch["logits"] for batch in batches)
            remaining = iter(others)
            further = {name: [next(remaining) for _ in folders] for name, folders in kept.items()}
            yield {"logits": base} | further_arrays(base, further, self.tta_is_mean)


def further_arrays(
    base: NDArray[np.float16], further: Mapping[str, Sequence[NDArray[np.float16]]], tta_is_mean: bool
) -> Batch:
    """The arrays that are made of several maps of an image, each (...,K,S,S), from logits (...,S,S)."""
    return {name: further_array(name, base, maps, tta_is_mean and name == TTA) for name, maps in further.items()}


def read_further(
    further: FurtherFolders, sample_id: str, native: tuple[int, int], classes: int
) -> dict[str, tuple[NDArray[np.float32], ...]]:
    """The further maps of one image as they are: one-vs-rest logits (C,h,w) by the array that is made of them.

    Raises:
        UserError: see `MapFolder.logits`.
    """
    return {
        name: tuple(read_maps(folder, sample_id, native, classes).numpy() for folder in folders)
        for name, folders in further.items()
    }
