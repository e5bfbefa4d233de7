"""The training task of one process among several: the loss is that of the full batch.

The mean over processes of their own losses would be another loss wherever a loss does not add up over samples, such as
a soft IoU of a batch. So every process gathers the logits and masks of all and computes the loss of the full batch. The
result is that of one process with the same batches, up to the order of sums.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from prn_pipeline.training.distributed.batches import IS_REAL
from prn_pipeline.training.task import Batch, SegmentationTask


class DistributedTask(SegmentationTask):
    """A `SegmentationTask` whose network sees this process's part of a batch and whose objective sees all of it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._is_real = torch.ones(0, dtype=torch.bool)
        self.network.register_forward_hook(lambda _, __, logits: self._gather(logits)[self._is_real])

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of the full batch, the same in every process."""
        return super().training_step(self._with_all_masks(batch), index)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Loss and counts of the full batch, the same in every process."""
        super().validation_step(self._with_all_masks(batch), index)

    def _with_all_masks(self, batch: Batch) -> Batch:
        self._is_real = self._gather(batch[IS_REAL])
        shown = {name: values for name, values in batch.items() if name != IS_REAL}
        return shown | {"masks": self._gather(batch["masks"])[self._is_real]}

    def _gather(self, part: Tensor) -> Tensor:
        """The parts (n, ...) of all processes in the order of their ranks, (processes * n, ...).

        Gradients of this process's part are the sum over all processes, each of which has the same loss. DDP then
        divides the gradients of the weights by the number of processes.
        """
        gathered = cast(Tensor, self.all_gather(part, sync_grads=part.is_floating_point()))
        return gathered.flatten(0, 1)
