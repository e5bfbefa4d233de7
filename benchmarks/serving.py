"""`python -m benchmarks.serving MODEL IMAGES`: a real server under several clients, with bad requests among the good.

MODEL is an address in MLflow's registry, or a folder of a logged model; MLFLOW_TRACKING_URI says which registry.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

BAD = (b"", b"\x00 garbage", b"[1]", b'{"dataframe_split": {"columns": ["image"], "data": [["###"]]}}')
#: Of every so many requests one is bad.
BAD_EVERY = 5
#: Seconds that a server may take to start.
PATIENCE = 300


@contextmanager
def served(model: str, folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of `mlflow models serve`, which ends with the block.

    Args:
        model: what is served.
        folder: for its log, and its working directory.
        environment: variables beside those of this process.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["mlflow", "models", "serve", "-m", model, "-p", str(port), "--env-manager", "local"]
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


def soak(address: str, images: Sequence[bytes], clients: int, seconds: float) -> tuple[Counter[int], list[float]]:
    """Clients that ask one after the other; statuses, and seconds that each good answer took."""
    statuses: Counter[int] = Counter()
    taken: list[float] = []
    turn, end = threading.Lock(), time.monotonic() + seconds

    def client(number: int) -> None:
        asked = number
        while time.monotonic() < end:
            bad = asked % BAD_EVERY == 0
            start = time.perf_counter()
            status, _ = ask(address, BAD[asked % len(BAD)] if bad else images[asked % len(images)])
            with turn:
                statuses[status] += 1
                if status == 200:
                    taken.append(time.perf_counter() - start)
            asked += clients + 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, taken


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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    files = sorted(path for path in options.images.iterdir() if path.is_file())
    images = [request(base64.b64encode(path.read_bytes()).decode()) for path in files]
    with (
        tempfile.TemporaryDirectory() as folder,
        served(options.model, Path(folder), {}) as (address, process),
    ):
        ask(address, images[0])
        statuses, taken = soak(address, images, options.clients, options.seconds)
        alive = process.poll() is None
    milliseconds = 1000 * np.quantile(taken, [0.5, 0.99])
    print(f"{options.clients} clients, {options.seconds:g} s: {dict(statuses)}, server {'lives' if alive else 'died'}")
    print(
        f"{len(taken) / options.seconds:.1f} masks a second, p50 {milliseconds[0]:.0f} ms, p99 {milliseconds[1]:.0f} ms"
    )


if __name__ == "__main__":
    main()
