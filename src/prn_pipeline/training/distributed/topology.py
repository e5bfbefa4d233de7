"""The place of this process among those that train one network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from prn_pipeline.training.precision import best_device, lightning_precision
from prn_pipeline.training.settings import TrainingSettings


@dataclass(frozen=True)
class ProcessTopology:
    """Device and rank of this process, and the number of processes. The defaults are those of a single process.

    Attributes:
        device: device to train on.
        rank: rank of this process among all.
        processes: number of processes on this node.
        nodes: number of nodes.
    """

    device: torch.device
    rank: int = 0
    processes: int = 1
    nodes: int = 1

    @classmethod
    def single_process(cls, settings: TrainingSettings) -> ProcessTopology:
        """The topology of a training in this process alone."""
        return cls(best_device(settings.accelerator))

    @classmethod
    def from_environment(cls, settings: TrainingSettings) -> ProcessTopology:
        """The topology that torch's launcher describes in environment variables."""
        device = best_device(settings.accelerator)
        local_rank = int(os.environ["LOCAL_RANK"])
        return cls(
            torch.device("cuda", local_rank) if device.type == "cuda" else device,
            int(os.environ["RANK"]),
            int(os.environ["LOCAL_WORLD_SIZE"]),
            int(os.environ["GROUP_WORLD_SIZE"]),
        )

    @property
    def is_distributed(self) -> bool:
        """Whether there is more than one process."""
        return self.processes * self.nodes > 1

    def trainer_arguments(self, settings: TrainingSettings) -> dict[str, Any]:
        """Device, precision and strategy arguments of Lightning's trainer."""
        arguments: dict[str, Any] = {
            "accelerator": "gpu" if self.device.type == "cuda" else "cpu",
            "devices": self.processes,
            "precision": lightning_precision(settings.precision, self.device),
        }
        if self.is_distributed:
            from lightning.pytorch.strategies import DDPStrategy

            backend = "nccl" if self.device.type == "cuda" else "gloo"
            arguments |= {
                "num_nodes": self.nodes,
                "use_distributed_sampler": False,  # `distributed_batches` splits batches itself
                # torch modules of other projects may have weights that a batch does not use
                "strategy": DDPStrategy(process_group_backend=backend, find_unused_parameters=True),
            }
        return arguments
