"""Batches for one process of several: each process loads an equal part of every batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler

from prn_pipeline.training.samples import TrainingSet, loader
from prn_pipeline.training.settings import TrainingSettings

#: Key of a sample, bool (): False for a copy that only makes the parts of a batch equally long.
IS_REAL = "is_real"


def distributed_loader(
    dataset: TrainingSet, settings: TrainingSettings, shuffle: bool
) -> DataLoader[dict[str, Tensor]]:
    """The batches of `samples.loader`, of which this process loads ceil(B / processes) samples each."""
    full = loader(dataset, settings, shuffle)
    return DataLoader(
        cast(Dataset[dict[str, Tensor]], _MarkedSamples(dataset)),
        batch_sampler=_RankBatchSampler(cast(BatchSampler, full.batch_sampler)),
        num_workers=full.num_workers,
        persistent_workers=full.persistent_workers,
        multiprocessing_context=full.multiprocessing_context,
        pin_memory=full.pin_memory,
    )


class _RankBatchSampler(Sampler[list[int]]):
    """Indices of this process's samples; -1 - i stands for a padding copy of sample i."""

    def __init__(self, full: BatchSampler) -> None:
        self._full = full

    def __len__(self) -> int:
        return len(self._full)

    def __iter__(self) -> Iterator[list[int]]:
        if isinstance(self._full.sampler, RandomSampler):
            # Drawn as the sampler would draw it, but once for all processes: augmentation has advanced the generator
            # of each process differently.
            drawn = [int(torch.empty((), dtype=torch.int64).random_())]
            dist.broadcast_object_list(drawn, src=0)
            self._full.sampler.generator = torch.Generator().manual_seed(drawn[0])
        rank, processes = dist.get_rank(), dist.get_world_size()
        for batch in self._full:
            length = -(-len(batch) // processes)
            padded = batch + [-1 - batch[-1]] * (length * processes - len(batch))
            yield padded[rank * length : (rank + 1) * length]


class _MarkedSamples:
    """A training set whose samples also have `IS_REAL`."""

    def __init__(self, dataset: TrainingSet) -> None:
        self._dataset = dataset

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        samples = self._dataset.__getitems__([max(index, -1 - index) for index in indices])
        return [sample | {IS_REAL: torch.tensor(index >= 0)} for sample, index in zip(samples, indices, strict=True)]
