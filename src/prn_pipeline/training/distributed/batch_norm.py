"""Batch norms that normalize by the full batch of all processes."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


def synchronize_batch_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """Replace each batch norm of a network by a synchronized one; names and values of the weights stay the same."""
    if device.type == "cuda":
        from timm.layers import convert_sync_batchnorm

        return cast(nn.Module, convert_sync_batchnorm(network))
    for name, child in network.named_children():
        replacement = (
            _CpuSyncBatchNorm(child) if isinstance(child, nn.BatchNorm2d) else synchronize_batch_norms(child, device)
        )
        setattr(network, name, replacement)
    return network


class _CpuSyncBatchNorm(nn.BatchNorm2d):
    """Mean and variance over the equally long parts of all processes, on a CPU: torch's SyncBatchNorm needs a GPU.

    `drop` and `act` belong to timm's layers, which normalize and activate in one module.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.load_state_dict(norm.state_dict())
        self.train(norm.training)
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())

    def forward(self, input: Tensor) -> Tensor:
        return self.act(self.drop(self._normalize(input) if self.training else super().forward(input)))

    def _normalize(self, maps: Tensor) -> Tensor:
        values = maps.float()
        mean = _mean_over_processes(values.mean((0, 2, 3)))
        centred = values - mean[:, None, None]
        variance = _mean_over_processes(centred.square().mean((0, 2, 3)))
        self._update_running_statistics(mean.detach(), variance.detach(), maps[:, 0].numel() * dist.get_world_size())
        normalized = centred * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            normalized = normalized * self.weight[:, None, None] + self.bias[:, None, None]
        return normalized.to(maps.dtype)

    def _update_running_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / max(1, count - 1), momentum)


def _mean_over_processes(values: Tensor) -> Tensor:
    return all_reduce(values) / dist.get_world_size()
