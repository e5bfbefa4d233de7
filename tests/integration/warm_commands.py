"""`kedro` and `prn` without their start: a process that has imported everything forks for each call.

DVC starts a process per stage, and each would spend seconds on imports, which is most of what a small stage takes. The
code of this checkout runs, in the folder, with the environment and with the standard streams of the caller. A signal
reaches what was called and not its fork, so tests that end commands start real ones.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
#: What the stages import sooner or later.
IMPORTED = (
    *(
        f"prn_pipeline.pipelines.{stage}"
        for stage in ("ingestion", "base_training", "logit_caching", "pseudo_labelling")
    ),
    *(f"prn_pipeline.pipelines.{stage}" for stage in ("prn_training", "evaluation", "reporting")),
    "prn_pipeline.pipelines.promotion",
    "prn_pipeline.refinement.patch_refine_net.fitting",
    "prn_pipeline.refinement.region_detail.fitting",
    "prn_pipeline.refinement.trees.fitting",
    "prn_pipeline.serving.predictor",
    "prn_pipeline.tracking.parameters",
    "prn_pipeline.tracking.run_hooks",
    "prn_pipeline.tracking.tracking_store",
    "prn_pipeline.training.trainer",
    "kedro.framework.cli.project",
    "mlflow.pytorch",
    "mlflow.store.tracking.sqlalchemy_store",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "segmentation_models_pytorch",
    "rankseg",
)
COMMANDS = ("kedro", "prn")
#: Stands for a command: hands over its streams, and ends with the exit code that it is told.
COMMAND = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([os.getcwd(), [{name!r}, *sys.argv[1:]], dict(os.environ)]).encode()
    socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(call)
    code = server.recv(1)
sys.exit(code[0] if code else 70)
"""


@contextmanager
def warm_commands(folder: Path) -> Iterator[Path]:
    """A folder for `PATH` whose commands are these, while the block lasts.

    Args:
        folder: an empty folder with a short path, because the address of a socket has 107 characters at most.
    """
    address = folder / "calls"
    for name in COMMANDS:
        (command := folder / name).write_text(COMMAND.format(python=sys.executable, address=str(address), name=name))
        command.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])}
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(address)], env=environment, cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield folder
        finally:
            process.terminate()


def serve(address: str) -> None:
    """Answer calls until a signal ends this process; each runs in a fork of its own."""
    for name in IMPORTED:
        import_module(name)
    with socket.socket(socket.AF_UNIX) as calls:
        calls.bind(address)
        calls.listen()
        print("ready", flush=True)
        while True:
            connection, _ = calls.accept()
            with connection:
                if os.fork() == 0:
                    _answer(connection)
            while _has_ended():
                pass


def _answer(connection: socket.socket) -> None:
    """Run the command in a child, and send its exit code; this process is between it and the one that accepts calls."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += connection.recv(2**16)
    if (child := os.fork()) == 0:
        connection.close()
        os._exit(_run(*json.loads(text), streams))
    _, status = os.waitpid(child, 0)
    connection.sendall(bytes([max(0, os.waitstatus_to_exitcode(status)) or int(status != 0)]))
    os._exit(0)


def _has_ended() -> bool:
    """Take note of a call that has ended, if there is one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _run(folder: str, arguments: list[str], environment: dict[str, str], streams: list[int]) -> int:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    try:
        _program(arguments[0])()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        _flush()
    return 0


def _program(name: str) -> Callable[[], object]:
    if name == "prn":
        from prn_pipeline.commands import prn

        return prn
    from kedro.framework.cli import main

    return main


def _flush() -> None:
    """What the end of an interpreter does, which a fork does not reach."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
