"""One of several training processes: `python -m prn_pipeline.training.processes.worker`, from torch's launcher."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import torch.distributed as dist
from safetensors.torch import save_file
from torch.distributed.elastic.multiprocessing.errors import record

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.training.distributed.topology import ProcessTopology
from prn_pipeline.training.job import TrainingJob
from prn_pipeline.training.processes.folder import EPOCHS, HISTORY, JOB, PARENT, WEIGHTS
from prn_pipeline.training.trainer import train_in_this_process

#: Seconds between two checks that the run which wants the training is alive.
WATCH_SECONDS = 2.0


@record  # writes an exception to the error file that the launcher has named
def main(folder: Path) -> None:
    """Train; rank 0 leaves weights and history in the folder."""
    _exit_with_parent(json.loads((folder / PARENT).read_text()))
    try:
        # Written by the run that wants the training, into a folder of its own.
        job: TrainingJob = pickle.loads((folder / JOB).read_bytes())  # noqa: S301
        _train(job, folder)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _train(job: TrainingJob, folder: Path) -> None:
    def write_epoch(epoch: int, metrics: dict[str, float]) -> None:
        with (folder / EPOCHS).open("a") as file:
            file.write(json.dumps({"epoch": epoch, **metrics}) + "\n")

    topology = ProcessTopology.from_environment(job.settings)
    result = train_in_this_process(job, write_epoch, topology)
    if topology.rank == 0:
        weights = {name: tensor.contiguous().clone() for name, tensor in result.network.state_dict().items()}
        with atomic_write(folder / WEIGHTS) as temporary:
            save_file(weights, temporary)
        with atomic_write(folder / HISTORY) as temporary:
            result.history.to_csv(temporary, index=False)


def _exit_with_parent(parent: dict[str, str | int]) -> None:
    """Exit when the run that wants the training has been killed, since nothing would read the result."""
    if parent["host"] != socket.gethostname():
        return
    process = psutil.Process(int(parent["pid"]))

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
