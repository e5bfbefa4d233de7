"""The process that starts a node's training processes: `python -m prn_pipeline.training.processes.launcher FOLDER`.

It is a process of its own because torch's launcher blocks its thread, and handles SIGTERM only in a main thread.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from pydantic import BaseModel
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher import LaunchConfig, elastic_launch

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.training.processes.failures import NodeFailures, ProcessFailure
from prn_pipeline.training.processes.folder import FAILURES, LAUNCH

WORKER = "prn_pipeline.training.processes.worker"


class Launch(BaseModel):
    """What the launchers of a training start.

    Attributes:
        name: identifies the training among those that meet at the same address.
        nodes: number of nodes.
        processes: number of training processes on each node.
        rendezvous: host:port where the nodes meet.
    """

    name: str
    nodes: int
    processes: int
    rendezvous: str


def main(folder: Path) -> None:
    """Run this node's training processes until all have ended or one has failed, and report failures in the folder."""
    launch = Launch.model_validate_json((folder / LAUNCH).read_text())
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torchrun's default, so that processes do not compete for cores
    config = LaunchConfig(
        min_nodes=launch.nodes,
        max_nodes=launch.nodes,
        nproc_per_node=launch.processes,
        run_id=launch.name,
        rdzv_backend="c10d",
        rdzv_endpoint=launch.rendezvous,
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder)),
        signals_to_handle="SIGTERM,SIGINT",
    )
    try:
        elastic_launch(config, sys.executable)("-m", WORKER, str(folder))
    except ChildFailedError as error:
        _report(folder, error)
        sys.exit(1)
    except SignalException as error:  # torch has ended the training processes
        sys.exit(128 + error.sigval)


def _report(folder: Path, error: ChildFailedError) -> None:
    _, first = error.get_first_failure()
    failures = [
        ProcessFailure(rank=rank, exit_code=failure.exitcode, delay=failure.timestamp - first.timestamp)
        for rank, failure in error.failures.items()
    ]
    with atomic_write(folder / FAILURES.format(launcher=f"{socket.gethostname()}-{os.getpid()}")) as temporary:
        temporary.write_bytes(NodeFailures.dump_json(failures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
