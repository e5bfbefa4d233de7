"""Samples of a store as training batches, read a batch at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.augmentation.transforms import Augmentation
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.settings import TrainingSettings


class StoredSamples(Dataset[dict[str, Tensor]]):
    """Rows of stored arrays.

    Args:
        samples: manifest and stores.
        rows: which rows, int (n,).
        arrays: key in a sample -> name of the array; see `channels_first` for what an array may hold.
        augmentation: random changes, or None.
        folds: fold of each row, int (n,), or None.
        memory: bytes of arrays to hold; where they need no more they are read once, else a batch at a time.

    A sample has images and maps (C,H,W) and labels (H,W); uint8 stays uint8, floats become float32. Its
    fold, where they are known, is under "folds", int64 ().
    """

    def __init__(
        self,
        samples: Samples,
        rows: Sequence[int] | np.ndarray,
        arrays: Mapping[str, str],
        augmentation: AugmentationSettings | None = None,
        folds: np.ndarray | None = None,
        memory: int = 0,
    ) -> None:
        self._given = (samples, np.asarray(rows), arrays, augmentation, folds, memory)
        self._arrays = dict(arrays)
        self._folds = None if folds is None else torch.from_numpy(np.asarray(folds, np.int64))
        self._augment = Augmentation(augmentation) if augmentation else None

    def __len__(self) -> int:
        return len(self._given[1])

    def __reduce__(self) -> tuple[type[StoredSamples], tuple[Any, ...]]:
        return StoredSamples, self._given  # another process reads for itself

    @functools.cached_property
    def _source(self) -> tuple[Callable[[str, np.ndarray], np.ndarray], np.ndarray]:
        samples, rows, _, _, _, memory = self._given
        return _reader(samples, rows, sorted(set(self._arrays.values())), memory)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """One read an array for the whole batch: what makes random access to a store cheap."""
        read, rows = self._source
        some = rows[indices]
        columns = {key: channels_first(torch.from_numpy(read(name, some))) for key, name in self._arrays.items()}
        if self._folds is not None:
            columns["folds"] = self._folds[indices]
        batch = [{key: values[i] for key, values in columns.items()} for i in range(len(some))]
        return [self._augment(sample) for sample in batch] if self._augment else batch

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]


def _reader(
    samples: Samples, rows: np.ndarray, names: list[str], memory: int
) -> tuple[Callable[[str, np.ndarray], np.ndarray], np.ndarray]:
    """How to read rows of an array, and which rows to ask it for: those of the stores, or of arrays in memory."""
    distinct, places = np.unique(rows, return_inverse=True)
    shapes = {name: samples.store_of(name).shape(name)[1:] for name in names}
    item = sum(int(np.prod(shape)) * samples.store_of(name).dtype(name).itemsize for name, shape in shapes.items())
    if item * len(distinct) > memory:
        return samples.array, rows
    held = {
        name: np.empty((len(distinct), *shape), samples.store_of(name).dtype(name)) for name, shape in shapes.items()
    }
    first = 0
    for parts in samples.batches(names, distinct):
        for name, part in zip(names, parts, strict=True):
            held[name][first : first + len(part)] = part
        first += len(parts[0])
    return lambda name, some: held[name][some], places


#: Pixels of a batch that is not cropped: 16 images of 512 x 512.
MOST_PIXELS = 2**22


class TrainingSet(Protocol):
    """What the loop learns from: `StoredSamples`, or episodes of them."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One of them."""
        ...

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Some of them, at the price of one read."""
        ...


def loader(dataset: TrainingSet, settings: TrainingSettings, shuffle: bool) -> DataLoader[dict[str, Tensor]]:
    """Batches for the loop, `settings.steps_per_epoch` of them in training (each pass over the samples in new order).

    A last batch of one sample is dropped in training: batch norm cannot learn from it. In validation, where samples are
    not cropped, a batch has no more than `MOST_PIXELS`.
    """
    size = settings.batch_size
    if not shuffle and len(dataset):
        size = max(1, min(size, MOST_PIXELS // dataset[0]["masks"].numel()))
    draws = (settings.steps_per_epoch or 0) * settings.batch_size or len(dataset)
    odd_one_out = shuffle and draws > settings.batch_size and draws % settings.batch_size == 1
    return DataLoader(
        cast(Dataset[dict[str, Tensor]], dataset),
        batch_size=size,
        sampler=RandomSampler(range(len(dataset)), num_samples=draws) if shuffle else None,
        drop_last=odd_one_out,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        multiprocessing_context="spawn" if settings.workers else None,  # a forked Zarr event loop hangs
        pin_memory=torch.cuda.is_available(),
    )
