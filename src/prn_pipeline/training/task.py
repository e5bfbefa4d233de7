"""What the one loop needs to know of a network: its loss and its logits on a batch, and how to step."""

from __future__ import annotations

import math
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.training.settings import TrainingSettings

Batch = dict[str, Tensor]


class Objective(Protocol):
    """What is learned. `network` is the module in training; `batch` holds "inputs" (N,C,H,W), "masks" (N,H,W), ..."""

    def __call__(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss (scalar) and the logits (N,1,H,W) of the final map, or (N,C,H,W) of a softmax over classes."""
        ...


class SegmentationTask(pl.LightningModule):
    """A network and its objective, for Lightning. Logs train_loss, val_loss and val_iou_micro."""

    # intersection, union and truth of the validation split so far, int64 (3, 1) of foreground or (3, classes)
    _overlap: Tensor

    def __init__(self, network: nn.Module, objective: Objective, settings: TrainingSettings) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self._objective = objective
        self._settings = settings
        self.register_buffer("_overlap", torch.zeros(3, 1, dtype=torch.int64), persistent=False)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of one batch."""
        loss, _ = self._objective(self.network, batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["masks"]))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Empty the counts of intersection and union."""
        self._overlap = torch.zeros_like(self._overlap)  # anew: what validation left is fit for inference alone

    def validation_step(self, batch: Batch, index: int) -> None:
        """Loss, and counts for one intersection over one union of the whole split."""
        loss, logits = self._objective(self.network, batch)
        self._overlap = self._overlap + overlaps(logits, batch["masks"])
        self.log("val_loss", loss, batch_size=len(logits), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """`val_iou_micro`; of several classes the mean over those that the split has, as in `metrics.mean_iou`."""
        gathered = torch.as_tensor(self.all_gather(self._overlap))
        intersection, union, truth = gathered.reshape(-1, *self._overlap.shape).sum(0).double()
        iou = torch.where(union > 0, intersection / union.clamp(min=1), 1.0)
        self.log("val_iou_micro", (iou[truth > 0] if truth.any() else iou).mean().item(), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Optimizer and schedule of the settings."""
        s = self._settings
        optimizer: torch.optim.Optimizer  # with foreach: the same digits in half the time, on a CPU too
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        if s.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                parameters, s.learning_rate, momentum=0.9, nesterov=True, weight_decay=s.weight_decay, foreach=True
            )
        else:
            kind = torch.optim.AdamW if s.optimizer == "adamw" else torch.optim.Adam
            optimizer = kind(parameters, s.learning_rate, weight_decay=s.weight_decay, foreach=True)
        if s.schedule in (
            "constant",
            "plateau",
        ):  # a plateau is lowered by loop.RestoreBestOnPlateau, not by a scheduler
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler: torch.optim.lr_scheduler.LRScheduler
        if s.schedule == "one_cycle":
            scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, s.learning_rate, total_steps=steps)
        else:
            warmup = min(steps - 1, round(s.warmup_epochs * steps / s.epochs))
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_cosine(step, warmup, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def overlaps(logits: Tensor, masks: Tensor) -> Tensor:
    """Intersections and unions with the truth, and its pixels, int64 (3, C): of foreground (C = 1), or of each class.

    Args:
        logits: (N,1,H,W), foreground above 0; or (N,C,H,W), the highest counts.
        masks: (N,H,W) of 0 and 1, or of class ids; 255 counts nowhere.
    """
    valid, classes = masks != IGNORE, logits.shape[1]
    if classes == 1:
        pairs = [(logits[:, 0] > 0, masks == 1)]
    else:
        predicted = logits.argmax(1)
        pairs = [(predicted == one, masks == one) for one in range(classes)]
    found = [((said & true & valid).sum(), ((said | true) & valid).sum(), (true & valid).sum()) for said, true in pairs]
    return torch.tensor(found, dtype=torch.int64, device=logits.device).T


def _warm_cosine(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
