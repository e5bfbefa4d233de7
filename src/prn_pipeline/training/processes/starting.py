"""A training by several processes, as seen by the run that starts it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import cloudpickle
import pandas as pd
from safetensors.torch import load_file

from prn_pipeline.processes.work_progress import report_step
from prn_pipeline.training.callbacks import EpochListener, epoch_line
from prn_pipeline.training.job import TrainingJob, TrainingResult
from prn_pipeline.training.processes.failures import SHUTDOWN_SECONDS, process_error
from prn_pipeline.training.processes.folder import EPOCHS, HISTORY, JOB, LAUNCH, LOG, PARENT, WEIGHTS
from prn_pipeline.training.processes.launcher import Launch

logger = logging.getLogger(__name__)

LAUNCHER = "prn_pipeline.training.processes.launcher"
#: Seconds between two looks for new epochs.
POLL_SECONDS = 0.5


def train_in_processes(job: TrainingJob, listener: EpochListener | None) -> TrainingResult:
    """Start the training processes, forward their epochs to the listener, and load the weights they leave.

    Raises:
        UserError: a process raised one, or was killed.
        RuntimeError: a process failed for another reason.
    """
    folder = job.checkpoints.with_name(f"{job.checkpoints.name}.processes")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    network = job.build()  # before the processes: pretrained weights are downloaded once, and errors are raised here
    (folder / JOB).write_bytes(cloudpickle.dumps(job))
    (folder / PARENT).write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
    (folder / LAUNCH).write_text(_launch(job).model_dump_json())
    command = ["-m", LAUNCHER, str(folder)]
    if job.settings.nodes > 1:
        logger.info("start on each of the other nodes: python %s", " ".join(command))
    with (folder / LOG).open("wb") as log:
        # In a session of its own: Ctrl-C reaches this process alone, which then ends the launcher.
        launcher = subprocess.Popen(
            [sys.executable, *command], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            forwarded = 0
            while launcher.poll() is None:
                time.sleep(POLL_SECONDS)
                forwarded = _forward_epochs(job, folder, forwarded, listener)
            _forward_epochs(job, folder, forwarded, listener)
        finally:
            _end(launcher)
    if launcher.returncode != 0:
        raise process_error(job.name, folder, launcher.returncode)
    network.load_state_dict(load_file(folder / WEIGHTS))
    history = pd.read_csv(folder / HISTORY)
    shutil.rmtree(folder)
    return TrainingResult(network.eval(), history)


def _launch(job: TrainingJob) -> Launch:
    settings = job.settings
    if settings.rendezvous is None:  # a single node: any free port, and a name that no other training has
        return Launch(name=str(uuid.uuid4()), nodes=1, processes=settings.processes, rendezvous="localhost:0")
    return Launch(
        name=job.checkpoints.name,
        nodes=settings.nodes,
        processes=settings.processes,
        rendezvous=settings.rendezvous,
    )


def _forward_epochs(job: TrainingJob, folder: Path, forwarded: int, listener: EpochListener | None) -> int:
    """Log the epochs after the first `forwarded` ones and call the listener; return how many there are now."""
    file = folder / EPOCHS
    lines = file.read_text().splitlines(keepends=True) if file.is_file() else []
    complete = [line for line in lines if line.endswith("\n")]
    for line in complete[forwarded:]:
        metrics = json.loads(line)
        epoch = int(metrics.pop("epoch"))
        logger.info(epoch_line(job.name, epoch, job.settings.epochs, metrics))
        report_step(f"training of {job.name}", epoch, job.settings.epochs)
        if listener:
            listener(epoch, metrics)
    return len(complete)


def _end(launcher: subprocess.Popen[bytes]) -> None:
    if launcher.poll() is not None:
        return
    launcher.terminate()  # it ends the training processes
    try:
        launcher.wait(SHUTDOWN_SECONDS + 10)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()
