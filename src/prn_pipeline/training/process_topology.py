"""Which process this is of those that train one network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy

from prn_pipeline.training.precision import best_device, lightning_precision
from prn_pipeline.training.settings import TrainingSettings


@dataclass(frozen=True)
class ProcessTopology:
    """Alone by default.

    Attributes:
        device: to train on.
        rank: of this process.
        processes: on this node.
        nodes: how many.
    """

    device: torch.device
    rank: int = 0
    processes: int = 1
    nodes: int = 1

    @classmethod
    def alone(cls, settings: TrainingSettings) -> ProcessTopology:
        """The only process."""
        return cls(best_device(settings.accelerator))

    @classmethod
    def of_torchrun(cls, settings: TrainingSettings) -> ProcessTopology:
        """As torchrun's variables say."""
        device = best_device(settings.accelerator)
        local = int(os.environ["LOCAL_RANK"])
        return cls(
            torch.device("cuda", local) if device.type == "cuda" else device,
            int(os.environ["RANK"]),
            int(os.environ["LOCAL_WORLD_SIZE"]),
            int(os.environ["GROUP_WORLD_SIZE"]),
        )

    @property
    def shared(self) -> bool:
        """Whether there are others."""
        return self.processes * self.nodes > 1

    def trainer(self, settings: TrainingSettings) -> dict[str, Any]:
        """Arguments of Lightning's trainer."""
        arguments: dict[str, Any] = {
            "accelerator": "gpu" if self.device.type == "cuda" else "cpu",
            "devices": self.processes,
            "precision": lightning_precision(settings.precision, self.device),
        }
        if self.shared:
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            arguments |= {
                "num_nodes": self.nodes,
                "use_distributed_sampler": False,  # `shares` does that
                # imported modules may have weights that a batch does not reach
                "strategy": DDPStrategy(process_group_backend=backend, find_unused_parameters=True),
            }
        return arguments
