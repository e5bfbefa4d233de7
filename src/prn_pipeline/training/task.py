"""The Lightning module of a training: loss, validation metrics and optimizer of any network with an objective."""

from __future__ import annotations

from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.training.optimization import WITHOUT_SCHEDULER, build_optimizer, build_scheduler
from prn_pipeline.training.settings import TrainingSettings

Batch = dict[str, Tensor]


class Objective(Protocol):
    """What is learned."""

    def __call__(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch.

        Args:
            network: the module in training.
            batch: "inputs" (N,C,H,W), "masks" (N,H,W), and whatever else the training set provides.

        Returns:
            The loss (scalar), and the logits of the final map: (N,1,H,W), or (N,C,H,W) for a softmax over C classes.
        """
        ...


class SegmentationTask(pl.LightningModule):
    """A network and its objective, for Lightning. Logs train_loss, val_loss and val_iou_micro."""

    # Pixels in intersection, union and truth, summed over the validation split so far: int64 (3, 1) for foreground or
    # (3, classes).
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
        """Reset the pixel counts."""
        # A new tensor: the one that validation left is an inference tensor, which training may not change.
        self._overlap = torch.zeros_like(self._overlap)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log the loss and add to the pixel counts."""
        loss, logits = self._objective(self.network, batch)
        self._overlap = self._overlap + overlaps(logits, batch["masks"])
        self.log("val_loss", loss, batch_size=len(logits), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Log `val_iou_micro`; with several classes, the mean over those in the split, as `metrics.mean_iou` does."""
        gathered = torch.as_tensor(self.all_gather(self._overlap))
        intersection, union, truth = gathered.reshape(-1, *self._overlap.shape).sum(0).double()
        iou = torch.where(union > 0, intersection / union.clamp(min=1), 1.0)
        self.log("val_iou_micro", (iou[truth > 0] if truth.any() else iou).mean().item(), prog_bar=True)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient.

        Lightning refuses to clip for fused optimizers in mixed precision, because they may unscale gradients after the
        clipping. They do for fp16, which this project does not use; bf16 scales no gradients.
        """
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val, foreach=True)

    def configure_optimizers(self) -> Any:
        """Optimizer and schedule of the settings."""
        optimizer = build_optimizer(self.network, self._settings)
        if self._settings.schedule in WITHOUT_SCHEDULER:
            return optimizer
        scheduler = build_scheduler(optimizer, self._settings, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def overlaps(logits: Tensor, masks: Tensor) -> Tensor:
    """Pixels in the intersection of prediction and truth, in their union, and in the truth.

    Args:
        logits: (N,1,H,W), where foreground is above 0; or (N,C,H,W), where the highest logit is the class.
        masks: (N,H,W) of 0 and 1, or of class ids; pixels of 255 are ignored.

    Returns:
        int64 (3, C): one column for foreground (C = 1), or one per class.
    """
    valid, classes = masks != IGNORE, logits.shape[1]
    if classes == 1:
        pairs = [(logits[:, 0] > 0, masks == 1)]
    else:
        predicted = logits.argmax(1)
        pairs = [(predicted == one, masks == one) for one in range(classes)]
    counts = [
        ((prediction & truth & valid).sum(), ((prediction | truth) & valid).sum(), (truth & valid).sum())
        for prediction, truth in pairs
    ]
    return torch.tensor(counts, dtype=torch.int64, device=logits.device).T
