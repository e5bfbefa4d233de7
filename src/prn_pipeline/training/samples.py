"""Training batches of stored samples, read one batch at a time."""

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
from prn_pipeline.data.image_resizing import image_stretched, mask_stretched
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.settings import TrainingSettings


class StoredSamples(Dataset[dict[str, Tensor]]):
    """Rows of stored arrays as samples.

    A sample has images and maps (C,H,W) and labels (H,W); uint8 stays uint8, floats become float32. If folds are given,
    it has its own under "folds", int64 ().

    Args:
        samples: manifest and stores.
        rows: rows of the manifest, int (n,).
        arrays: key in a sample -> name of the array; `channels_first` describes what an array may hold.
        augmentation: random augmentation, or None.
        folds: fold of each row, int (n,), or None.
        memory: bytes of arrays that may be held; arrays that fit are read once, others one batch at a time.
        side: side that images and masks are stretched to when they are read; None for the side of the stored ones.
    """

    def __init__(
        self,
        samples: Samples,
        rows: Sequence[int] | np.ndarray,
        arrays: Mapping[str, str],
        augmentation: AugmentationSettings | None = None,
        folds: np.ndarray | None = None,
        memory: int = 0,
        side: int | None = None,
    ) -> None:
        self._given = (samples, np.asarray(rows), arrays, augmentation, folds, memory, side)
        self._arrays = dict(arrays)
        self._folds = None if folds is None else torch.from_numpy(np.asarray(folds, np.int64))
        self._augment = Augmentation(augmentation) if augmentation else None

    def __len__(self) -> int:
        return len(self._given[1])

    def __reduce__(self) -> tuple[type[StoredSamples], tuple[Any, ...]]:
        return StoredSamples, self._given  # paths instead of arrays: another process reads them itself

    @functools.cached_property
    def _source(self) -> tuple[Callable[[str, np.ndarray], np.ndarray], np.ndarray]:
        samples, rows, _, _, _, memory, side = self._given
        return _reader(samples, rows, sorted(set(self._arrays.values())), memory, side)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Load samples with one read per array, which keeps random access to a store cheap."""
        read, rows = self._source
        batch_rows = rows[indices]
        columns = {key: channels_first(torch.from_numpy(read(name, batch_rows))) for key, name in self._arrays.items()}
        if self._folds is not None:
            columns["folds"] = self._folds[indices]
        batch = [{key: values[i] for key, values in columns.items()} for i in range(len(batch_rows))]
        return [self._augment(sample) for sample in batch] if self._augment else batch

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]


def _reader(
    samples: Samples, rows: np.ndarray, names: list[str], memory: int, side: int | None
) -> tuple[Callable[[str, np.ndarray], np.ndarray], np.ndarray]:
    """A function that reads rows of an array, from the stores or from memory, and the row numbers to call it with."""
    distinct, positions = np.unique(rows, return_inverse=True)
    shapes = {name: _stretched_shape(samples.store_of(name).shape(name)[1:], side) for name in names}
    item = sum(int(np.prod(shape)) * samples.store_of(name).dtype(name).itemsize for name, shape in shapes.items())
    if item * len(distinct) > memory:
        return lambda name, rows: _stretched(samples.array(name, rows), side), rows
    held = {
        name: np.empty((len(distinct), *shape), samples.store_of(name).dtype(name)) for name, shape in shapes.items()
    }
    first = 0
    for parts in samples.batches(names, distinct):
        for name, part in zip(names, parts, strict=True):
            held[name][first : first + len(part)] = _stretched(part, side)
        first += len(parts[0])
    return lambda name, rows: held[name][rows], positions


def _stretched_shape(shape: tuple[int, ...], side: int | None) -> tuple[int, ...]:
    return shape if side is None else (side, side, *shape[2:])


def _stretched(stored: np.ndarray, side: int | None) -> np.ndarray:
    """Images (n,H,W,bands) or masks (n,H,W) at another side, as a data set of that `image_size` would hold them."""
    if side is None or stored.shape[1:3] == (side, side):
        return stored
    stretch: Callable[[Any, int], np.ndarray] = image_stretched if stored.ndim == 4 else mask_stretched
    return np.stack([stretch(one, side) for one in stored])


#: Most pixels in a validation batch, whose samples are not cropped: 16 images of 512 x 512.
MAX_VALIDATION_PIXELS = 2**22


class TrainingSet(Protocol):
    """What the training loop learns from: `StoredSamples`, or `Episodes`."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One sample."""
        ...

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Several samples, for the cost of one read."""
        ...


def loader(dataset: TrainingSet, settings: TrainingSettings, shuffle: bool) -> DataLoader[dict[str, Tensor]]:
    """Batches of one epoch.

    In training (`shuffle`) there are `settings.steps_per_epoch` batches, from passes over the samples in new random
    orders. A last batch of a single sample is dropped, because batch norm cannot learn from it. In validation there are
    at most `settings.validation_samples`, the same in every epoch, so that an epoch's time does not grow with the
    set; a batch has at most `MAX_VALIDATION_PIXELS`, because its samples are not cropped.
    """
    size = settings.batch_size
    if not shuffle and len(dataset):
        size = max(1, min(size, MAX_VALIDATION_PIXELS // dataset[0]["masks"].numel()))
    draws = (settings.steps_per_epoch or 0) * settings.batch_size or len(dataset)
    validated = drawn_once(len(dataset), settings.validation_samples or len(dataset))
    drop_single = shuffle and draws > settings.batch_size and draws % settings.batch_size == 1
    return DataLoader(
        cast(Dataset[dict[str, Tensor]], dataset),
        batch_size=size,
        sampler=RandomSampler(range(len(dataset)), num_samples=draws) if shuffle else validated,
        drop_last=drop_single,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        multiprocessing_context="spawn" if settings.workers else None,  # a forked Zarr event loop hangs
        pin_memory=torch.cuda.is_available(),
    )


def drawn_once(count: int, most: int) -> list[int]:
    """All of the indices 0 .. `count` - 1, or `most` of them, the same for every run.

    They are drawn, because equal distances could hit the map of one class in every image, or the same frame of every
    sequence.
    """
    if count <= most:
        return list(range(count))
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False)).tolist()
