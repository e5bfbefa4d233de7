"""Each process its share of every batch; loss and normalisation of the whole batch.

So that the result is that of one process with the same batches, but for the order of sums: a mean over processes of
losses that do not add up over samples, such as a soft IoU of a batch, would be another loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler

from prn_pipeline.training.samples import TrainingSet, loader
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import Batch, SegmentationTask

#: Key of a batch: which of its samples are no copies that make shares equally long, bool ().
COUNTED = "counted"


def shared_loader(dataset: TrainingSet, settings: TrainingSettings, shuffle: bool) -> DataLoader[dict[str, Tensor]]:
    """The batches of `samples.loader`, of each this process's share: ceil(B / processes) samples."""
    whole = loader(dataset, settings, shuffle)
    return DataLoader(
        cast(Dataset[dict[str, Tensor]], _Counted(dataset)),
        batch_sampler=_Shares(cast(BatchSampler, whole.batch_sampler)),
        num_workers=whole.num_workers,
        persistent_workers=whole.persistent_workers,
        multiprocessing_context=whole.multiprocessing_context,
        pin_memory=whole.pin_memory,
    )


class _Shares(Sampler[list[int]]):
    """Indices of this process's samples; -1 - i for a copy of sample i that does not count."""

    def __init__(self, whole: BatchSampler) -> None:
        self._whole = whole

    def __len__(self) -> int:
        return len(self._whole)

    def __iter__(self) -> Iterator[list[int]]:
        if isinstance(self._whole.sampler, RandomSampler):
            # As the sampler would draw it, but one for all: augmentation has left each generator elsewhere.
            drawn = [int(torch.empty((), dtype=torch.int64).random_())]
            dist.broadcast_object_list(drawn, src=0)
            self._whole.sampler.generator = torch.Generator().manual_seed(drawn[0])
        rank, processes = dist.get_rank(), dist.get_world_size()
        for batch in self._whole:
            length = -(-len(batch) // processes)
            padded = batch + [-1 - batch[-1]] * (length * processes - len(batch))
            yield padded[rank * length : (rank + 1) * length]


class _Counted:
    """Samples that say whether they count."""

    def __init__(self, dataset: TrainingSet) -> None:
        self._dataset = dataset

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        found = self._dataset.__getitems__([max(index, -1 - index) for index in indices])
        return [sample | {COUNTED: torch.tensor(index >= 0)} for sample, index in zip(found, indices, strict=True)]


class SharedTask(SegmentationTask):
    """The task of one process among several: its network sees the share, its objective the whole batch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._counted = torch.ones(0, dtype=torch.bool)
        self.network.register_forward_hook(lambda _, __, logits: gathered(logits)[self._counted])

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of the whole batch, the same in every process."""
        return super().training_step(self._whole(batch), index)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Loss and counts of the whole batch, the same in every process."""
        super().validation_step(self._whole(batch), index)

    def _whole(self, batch: Batch) -> Batch:
        self._counted = gathered(batch[COUNTED])
        shown = {name: values for name, values in batch.items() if name != COUNTED}
        return shown | {"masks": gathered(batch["masks"])[self._counted]}


def gathered(share: Tensor) -> Tensor:
    """The shares (n, ...) of all processes, in order (processes * n, ...); gradients flow to the own share.

    For a loss that every process computes from the whole. Each then has the gradient of its share already, and need
    only make up for the mean that is taken over processes afterwards.
    """
    return cast(Tensor, _Gathered.apply(share))


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:
        ctx.length = len(share)
        shares = [torch.empty_like(share, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(shares, share.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        first = dist.get_rank() * ctx.length
        return gradients[0][first : first + ctx.length] * dist.get_world_size()


class _SharedBatchNorm(nn.BatchNorm2d):
    """Mean and variance of the whole batch, of equal shares, on a CPU: torch's own SyncBatchNorm wants a GPU.

    `drop` and `act` are those of timm's layers, which normalise and activate in one.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.load_state_dict(norm.state_dict())
        self.train(norm.training)
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())

    def forward(self, input: Tensor) -> Tensor:
        return self.act(self.drop(self._normalised(input) if self.training else super().forward(input)))

    def _normalised(self, maps: Tensor) -> Tensor:
        values = maps.float()
        mean = _mean_of_all(values.mean((0, 2, 3)))
        centred = values - mean[:, None, None]
        variance = _mean_of_all(centred.square().mean((0, 2, 3)))
        self._remember(mean.detach(), variance.detach(), maps[:, 0].numel() * dist.get_world_size())
        normalised = centred * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            normalised = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return normalised.to(maps.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / max(1, count - 1), momentum)


def _mean_of_all(values: Tensor) -> Tensor:
    return all_reduce(values) / dist.get_world_size()


def share_batch_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with batch norms that see the batches of all processes; same weights by the same names."""
    if device.type == "cuda":
        from timm.layers import convert_sync_batchnorm

        return cast(nn.Module, convert_sync_batchnorm(network))
    for name, child in network.named_children():
        shared = _SharedBatchNorm(child) if isinstance(child, nn.BatchNorm2d) else share_batch_norms(child, device)
        setattr(network, name, shared)
    return network
