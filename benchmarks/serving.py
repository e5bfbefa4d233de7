"""Servers in processes of their own, and requests to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Seconds that a server may take to start.
PATIENCE = 300


#: `mlflow models serve` and `prn serve`, without the model and the port.
MLFLOW, OWN = ("mlflow", "models", "serve", "--env-manager", "local", "-m"), ("prn", "serve")


@contextmanager
def served(
    model: str, folder: Path, environment: dict[str, str], command: Sequence[str] = MLFLOW, *options: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a server, which ends with the block.

    Args:
        model: what is served.
        folder: for its log, and its working directory.
        environment: variables beside those of this process.
        command: `MLFLOW` or `OWN`.
        options: of the command.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [*command, model, "--port", str(port), *options]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, "PATH": path, **environment}, cwd=folder, stdout=output, stderr=output
        )
        try:
            _wait(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(30)


def ask(address: str, payload: bytes, kind: str = "application/json") -> tuple[int, Any]:
    """Status, and what was answered."""
    sent = urllib.request.Request(f"{address}/invocations", payload, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(sent, timeout=120) as answered:
            return answered.status, json.loads(answered.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def request(*images: Any, **params: Any) -> bytes:
    """A request for masks of encoded images, base64 each."""
    table = {"columns": ["image"], "data": [[image] for image in images]}
    return json.dumps({"dataframe_split": table} | ({"params": params} if params else {})).encode()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(PATIENCE):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise RuntimeError(f"the server does not answer:\n{log.read_text()}")
