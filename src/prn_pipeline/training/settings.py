"""Settings of a training, the same for base models and refiners."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.augmentation.settings import AugmentationSettings


class TrainingSettings(BaseModel):
    """How a network is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(30, ge=1, description="largest number of epochs, each a round of training and validation")
    steps_per_epoch: int | None = Field(
        None, ge=1, description="batches per epoch, whatever the number of samples; null: one pass over them"
    )
    keep_untrained: bool = Field(
        False, description="let the untrained network compete as epoch 0; for a refiner that starts as the base model"
    )
    batch_size: int = Field(8, ge=1, description="samples per optimizer step")
    optimizer: Literal["adamw", "adam", "sgd", "muon"] = Field(
        "adamw",
        description="sgd uses Nesterov momentum 0.9; muon learns convolutions in fewer steps, best at three times"
        " adamw's rate",
    )
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate of the schedule")
    weight_decay: float = Field(1e-4, ge=0, description="of the optimizer, applied to all weights at each step")
    schedule: Literal["cosine", "one_cycle", "plateau", "constant"] = Field(
        "cosine",
        description="plateau restores the best weights and divides the rate by plateau_divisor",
    )
    warmup_epochs: float = Field(1.0, ge=0, description="epochs of linear warm-up before a cosine schedule")
    plateau_patience: int = Field(4, ge=1, description="epochs without gain before a plateau schedule lowers the rate")
    plateau_divisor: float = Field(
        1.1, gt=1, description="what a plateau schedule divides the rate by; 1.1 in the paper's script"
    )
    early_stop_patience: int | None = Field(
        None, ge=1, description="epochs without gain after which training stops; null: never"
    )
    keep: Literal["best", "last"] = Field("best", description="keep the weights of the best epoch, or of the last")
    monitor: Literal["val_iou_micro", "val_loss"] = Field(
        "val_iou_micro", description="metric by which an epoch is best"
    )
    validation_samples: int | None = Field(
        1000, ge=1, description="most samples to validate an epoch on, drawn once for all epochs and runs; null: all"
    )
    gradient_clip: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 if the hardware multiplies it natively"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="device to train on; auto: a GPU if there is one"
    )
    processes: int = Field(
        1, ge=1, description="training processes on each node; each computes an equal part of every batch of batch_size"
    )
    nodes: int = Field(1, ge=1, description="machines that train together (docs/scale.md)")
    rendezvous: str | None = Field(None, description="host:port where several nodes meet")
    memory: float = Field(
        2.0,
        ge=0,
        description="GiB of samples that a process may hold; larger sets, or any with workers, are read batch by batch",
    )
    workers: int = Field(0, ge=0, description="processes that load and augment samples; 0: the training process does")
    augmentation: AugmentationSettings = Field(default_factory=AugmentationSettings)

    @model_validator(mode="after")
    def _check_processes(self) -> Self:
        processes = self.processes * self.nodes
        if self.batch_size % processes:
            near = processes * max(1, self.batch_size // processes)
            raise ValueError(f"batch_size {self.batch_size} is not divisible by {processes} processes: use {near}")
        if (self.nodes > 1) != (self.rendezvous is not None):
            raise ValueError(
                f"nodes is {self.nodes} and rendezvous {self.rendezvous}: several nodes need the host:port of one of"
                " them as rendezvous, and a single node must have none"
            )
        return self

    def unvalidated(self, epochs: int) -> Self:
        """The same training, for images of which none tells when to lower the rate or when to stop.

        Args:
            epochs: epochs that the training with validation took. Where nothing depends on them, its own stay.
        """
        if self.schedule != "plateau" and self.early_stop_patience is None:
            return self
        schedule = "cosine" if self.schedule == "plateau" else self.schedule
        return self.model_copy(update={"epochs": max(1, epochs), "schedule": schedule, "early_stop_patience": None})

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes; 0 with workers, each of which would hold a copy of its own."""
        return 0 if self.workers else int(self.memory * 2**30)
