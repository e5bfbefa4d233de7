"""Checkpoints are written beside their place, on the same disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from prn_pipeline.processes.full_disks import naming_full_disk

#: Suffix of a checkpoint that is being written; a training does not resume from such a file.
PARTIAL = ".partial"


class CheckpointFiles(TorchCheckpointIO):
    """Lightning's checkpoint files, atomic, and never in the system's temporary folder, which may be full."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint, or leave the one before it."""
        del storage_options
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}{PARTIAL}")
        try:
            with naming_full_disk(target), temporary.open("wb") as file:
                torch.save(checkpoint, file)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
