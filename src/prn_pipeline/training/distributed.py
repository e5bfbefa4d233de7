"""One process of a training by several: `torchrun -m prn_pipeline.training.distributed FOLDER`."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

import psutil
import torch.distributed as dist
from safetensors.torch import save_file

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError
from prn_pipeline.training.job import Training
from prn_pipeline.training.loop import train_here
from prn_pipeline.training.process_topology import ProcessTopology
from prn_pipeline.training.processes import EPOCHS, FAILURE, HISTORY, JOB, PARENT, WEIGHTS

#: Seconds between two looks whether the process that started all this is still there.
WATCH = 2.0


def main(folder: Path) -> None:
    """Train, and leave weights and history in the folder, or what went wrong."""
    rank = int(os.environ["RANK"])
    _end_with(json.loads((folder / PARENT).read_text()))
    try:
        training: Training = pickle.loads((folder / JOB).read_bytes())  # written by the process that started this one
        _train(training, folder, rank)
    except Exception as error:
        mistake = isinstance(error, UserError)
        message = str(error) if mistake else "".join(traceback.format_exception(error))
        (folder / FAILURE.format(rank=rank)).write_text(json.dumps({"mistake": mistake, "message": message}))
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _train(training: Training, folder: Path, rank: int) -> None:
    def tell(epoch: int, metrics: dict[str, float]) -> None:
        with (folder / EPOCHS).open("a") as file:
            file.write(json.dumps({"epoch": epoch, **metrics}) + "\n")

    trained = train_here(training, tell, ProcessTopology.of_torchrun(training.settings))
    if rank == 0:
        weights = {name: tensor.contiguous().clone() for name, tensor in trained.network.state_dict().items()}
        with atomic_write(folder / WEIGHTS) as temporary:
            save_file(weights, temporary)
        with atomic_write(folder / HISTORY) as temporary:
            trained.history.to_csv(temporary, index=False)


def _end_with(parent: dict[str, object]) -> None:
    """End when the process that started the training has been killed: nobody would read the result."""
    if parent["host"] != socket.gethostname():
        return
    process = psutil.Process(int(str(parent["process"])))

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
