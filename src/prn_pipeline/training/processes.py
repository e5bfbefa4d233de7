"""A training by several processes, which torchrun starts: what they are given and what comes back lies in a folder."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import pandas as pd
from safetensors.torch import load_file

from prn_pipeline.errors import UserError
from prn_pipeline.training.callbacks import EpochListener, epoch_line
from prn_pipeline.training.job import TrainingResult, Training

logger = logging.getLogger(__name__)

MODULE = "prn_pipeline.training.distributed"
JOB, PARENT, EPOCHS, WEIGHTS, HISTORY, LOG = (
    "job.pkl",
    "parent.json",
    "epochs.jsonl",
    "weights.safetensors",
    "history.csv",
    "processes.log",
)
#: A process that fails says so in a file of its own: {"mistake": whether a user can mend it, "message"}.
FAILURE = "failure-{rank}.json"
#: How torchrun tells in its log of a process that nobody asked to end.
KILLED = re.compile(r"exitcode\s*: -9\b")
#: Seconds between two looks for new epochs; seconds that processes have to end themselves; lines of a log in an error.
LOOK_AGAIN, GRACE, SHOWN = 0.5, 20, 30


def train_by_processes(training: Training, listener: EpochListener | None) -> TrainingResult:
    """Start the processes, tell of their epochs, take over their weights.

    Raises:
        UserError: a process was killed, or what it raised.
        RuntimeError: a process failed of a defect.
    """
    folder = training.checkpoints.with_name(f"{training.checkpoints.name}.processes")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    network = training.build()  # here first: weights are fetched once, and mistakes are plain
    (folder / JOB).write_bytes(cloudpickle.dumps(training))
    (folder / PARENT).write_text(json.dumps({"host": socket.gethostname(), "process": os.getpid()}))
    with (folder / LOG).open("wb") as log:
        started = subprocess.Popen(_command(training, folder), stdout=log, stderr=subprocess.STDOUT)
        try:
            told = 0
            while started.poll() is None:
                time.sleep(LOOK_AGAIN)
                told = _tell(training, folder, told, listener)
            _tell(training, folder, told, listener)
        finally:
            _end(started)
    if started.returncode != 0:
        raise failure(training.name, folder, started.returncode)
    network.load_state_dict(load_file(folder / WEIGHTS))
    history = pd.read_csv(folder / HISTORY)
    shutil.rmtree(folder)
    return TrainingResult(network.eval(), history)


def _command(training: Training, folder: Path) -> list[str]:
    settings = training.settings
    meeting = ["--standalone"]
    if settings.nodes > 1:
        meeting = [
            f"--nnodes={settings.nodes}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={settings.rendezvous}",
            f"--rdzv-id={training.checkpoints.name}",
        ]
    arguments = [*meeting, f"--nproc-per-node={settings.processes}", "--max-restarts=0", "-m", MODULE, str(folder)]
    if settings.nodes > 1:
        logger.info("start on each of the other nodes: torchrun %s", " ".join(arguments))
    return [sys.executable, "-m", "torch.distributed.run", *arguments]


def _tell(training: Training, folder: Path, told: int, listener: EpochListener | None) -> int:
    """Pass on what epochs there are after the first `told`."""
    file = folder / EPOCHS
    lines = file.read_text().splitlines(keepends=True) if file.is_file() else []
    whole = [line for line in lines if line.endswith("\n")]
    for line in whole[told:]:
        row = json.loads(line)
        epoch = int(row.pop("epoch"))
        logger.info(epoch_line(training.name, epoch, training.settings.epochs, row))
        if listener:
            listener(epoch, row)
    return len(whole)


def _end(started: subprocess.Popen[bytes]) -> None:
    if started.poll() is not None:
        return
    started.terminate()  # torchrun ends its processes
    try:
        started.wait(GRACE)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()


def failure(training: str, folder: Path, code: int) -> Exception:
    """Why the processes of a training ended with torchrun's exit code: what they have said, or that one was killed."""
    said = [json.loads(file.read_text()) for file in sorted(folder.glob(FAILURE.format(rank="*")))]
    for one in said:
        if one["mistake"]:
            return UserError(one["message"])
    log = folder / LOG
    if said and not KILLED.search(log.read_text(errors="replace")):  # who is killed ends the others' connections
        return RuntimeError(f"{training}: a training process failed:\n{said[0]['message']}\nIts log: {log}")
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN:])
    return UserError(
        f"{training}: a training process was killed before its end (torchrun: exit code {code}); the likely reason"
        f" is memory: lower batch_size, memory or processes of the training block, and run again to go on from the last"
        f" epoch. Log, {log}:\n{tail}"
    )
