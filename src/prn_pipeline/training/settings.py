"""How a network is trained: the same words for base models and for PRN."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.augmentation.settings import AugmentationSettings


class TrainingSettings(BaseModel):
    """One training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(30, ge=1, description="rounds of training and validation, at most")
    steps_per_epoch: int | None = Field(
        None, ge=1, description="batches an epoch, whatever the number of samples; null: one pass over them"
    )
    keep_untrained: bool = Field(
        False, description="the untrained network competes as epoch 0: for a refiner that starts as the base model"
    )
    batch_size: int = Field(8, ge=1, description="samples a step")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="sgd uses Nesterov momentum 0.9")
    learning_rate: float = Field(1e-3, gt=0, description="the highest rate of the schedule")
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["cosine", "one_cycle", "plateau", "constant"] = Field(
        "cosine",
        description="plateau divides the rate by 1.1 and goes back to the best weights, as the paper's script does",
    )
    warmup_epochs: float = Field(1.0, ge=0, description="linear warm-up before a cosine schedule")
    plateau_patience: int = Field(4, ge=1, description="epochs without gain before a plateau schedule lowers the rate")
    early_stop_patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without gain; null: never"
    )
    keep: Literal["best", "last"] = Field("best", description="weights of the best epoch, or of the last")
    monitor: Literal["val_iou_micro", "val_loss"] = Field("val_iou_micro", description="what 'best weights' means")
    gradient_clip: float = Field(1.0, ge=0, description="largest norm of the gradient; 0 = off")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware multiplies it"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to train")
    processes: int = Field(
        1, ge=1, description="that train together on this machine; each has a share of every batch of batch_size"
    )
    nodes: int = Field(1, ge=1, description="machines with so many processes each (docs/scale.md)")
    rendezvous: str | None = Field(None, description="host:port where the processes of several nodes meet")
    memory: float = Field(
        2.0,
        ge=0,
        description="GiB of samples that a process may hold; more, and what workers load, is read a batch at a time",
    )
    workers: int = Field(0, ge=0, description="processes that load and augment samples; 0: in the training process")
    augmentation: AugmentationSettings = Field(default_factory=AugmentationSettings)

    @model_validator(mode="after")
    def _processes_agree(self) -> Self:
        together = self.processes * self.nodes
        if self.batch_size % together:
            near = together * max(1, self.batch_size // together)
            raise ValueError(f"batch_size {self.batch_size} cannot be shared by {together} processes: use {near}")
        if (self.nodes > 1) != (self.rendezvous is not None):
            raise ValueError("nodes above 1 and rendezvous, host:port of one of them, go together")
        return self

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes; none with workers, each of which would hold its own copy."""
        return 0 if self.workers else int(self.memory * 2**30)
