"""`python -m benchmarks.server_load`: how long good clients of `prn serve` wait, alone and among bad ones.

Writes the tables of docs/serving.md. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from benchmarks.bad_clients import kinds
from benchmarks.machine import describe
from benchmarks.results_page import replace_mark
from benchmarks.serving import OWN, ask, served
from prn_pipeline.refinement.registry import build_refiner, read_settings
from prn_pipeline.segmentation.smp_model import BaseModel, BaseModelSettings
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.tracking.provenance import processor

PAGE, MARK = Path(__file__).resolve().parents[1] / "docs" / "serving.md", "load"
#: Pixels a side of the networks' inputs and of the pictures.
SIZE = 128
#: How much longer the slowest answers in a hundred may take among bad clients.
GOAL = 2.0
#: Seconds from one request of a good client to its next, if the answer comes sooner.
PACE = 0.5


class Measured(NamedTuple):
    """What the good clients saw.

    Attributes:
        statuses: status -> how many answers.
        seconds: of each answer with status 200.
    """

    statuses: Counter[int]
    seconds: list[float]

    @property
    def milliseconds(self) -> tuple[float, float]:
        """The median and the 99th percentile."""
        middle, slow = 1000 * np.quantile(self.seconds, [0.5, 0.99])
        return float(middle), float(slow)


def predictor() -> Predictor:
    """The default refiner on a ResNet-18 U-Net; weights are random, which changes no time."""
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="resnet18")).eval()
    refiner = build_refiner(read_settings({"network": "region_detail", "inputs": ["images", "tta"]})).eval()
    return Predictor(base, refiner, PredictorSettings(image_size=SIZE))


def pictures(count: int) -> list[bytes]:
    """Smooth pictures as PNG, of one size."""
    draw = np.random.default_rng(0)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(file := io.BytesIO(), "PNG")
        files.append(file.getvalue())
    return files


def good_clients(address: str, files: Sequence[bytes], clients: int, seconds: float) -> Measured:
    """Clients that each ask for one mask after the other."""
    found, turn, end = Measured(Counter(), []), threading.Lock(), time.monotonic() + seconds
    bodies = [json.dumps({"instances": [base64.b64encode(file).decode()]}).encode() for file in files]

    def client(number: int) -> None:
        time.sleep(PACE * number / clients)
        while (begun := time.monotonic()) < end:
            status, _ = ask(address, bodies[number % len(bodies)])
            taken = time.monotonic() - begun
            with turn:
                found.statuses[status] += 1
                if status == 200:
                    found.seconds.append(taken)
            time.sleep(max(0.0, PACE - taken))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def measure(clients: int, seconds: float) -> tuple[Measured, Measured, dict[str, dict[str, int]], list[float]]:
    """Good clients alone, then among bad ones; what the bad ones got; and the server's peaks of memory, in MiB."""
    files = pictures(4)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        predictor().save(Path(folder) / "predictor")
        options = ("--body-seconds", "5")
        with served(str(Path(folder) / "predictor"), Path(folder), {}, OWN, *options) as (address, process):
            good_clients(address, files, 1, 3)  # compiles and allocates
            quiet, peaks = good_clients(address, files, clients, seconds), [_peak(process)]
            command = [sys.executable, "-m", "benchmarks.bad_clients", address.rsplit(":", 1)[1], str(seconds)]
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}
            ) as bad:
                assert bad.stdin is not None
                assert bad.stdout is not None
                bad.stdin.write(files[0])
                bad.stdin.close()
                time.sleep(2)
                among = good_clients(address, files, clients, seconds)
                outcomes = json.loads(bad.stdout.read())
            if ask(address, b"{}")[0] != 400:
                raise RuntimeError("the server no longer answers")
            peaks.append(_peak(process))
    return quiet, among, outcomes, peaks


def _peak(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a process has used so far, in MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def table(
    clients: int, seconds: float, found: tuple[Measured, Measured, dict[str, dict[str, int]], list[float]]
) -> str:
    """The tables of the page."""
    quiet, among, outcomes, peaks = found
    machine = describe()
    lines = [
        f"{clients} good clients, each with a picture of {SIZE} x {SIZE} every {PACE:g} s, or as soon as it has its"
        f" answer, for {seconds:g} s; {processor()}, {machine['cores']} cores, load average of 15 minutes:"
        f" {os.getloadavg()[2]:.1f}; {machine['date']}.",
        "",
        "| | answers | p50, ms | p99, ms | peak, MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, one, peak in (("alone", quiet, peaks[0]), ("among bad clients", among, peaks[1])):
        statuses = ", ".join(f"{number} with {status}" for status, number in sorted(one.statuses.items()))
        lines.append(f"| {name} | {statuses} | {one.milliseconds[0]:.0f} | {one.milliseconds[1]:.0f} | {peak:.0f} |")
    ratio = among.milliseconds[1] / quiet.milliseconds[1]
    verdict = "reached" if ratio <= GOAL else "missed"
    lines += [
        "",
        f"Among bad clients p99 was {ratio:.2f} times the quiet p99 (goal: at most {GOAL:g}; {verdict}).",
        "",
        "| bad clients, each five times a second or as soon as it has its answer | status (number) |",
        "|---|---|",
    ]
    for name in kinds(b""):
        got = ", ".join(f"{status} ({number})" for status, number in sorted(outcomes[name].items()))
        lines.append(f"| {name} | {got} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server_load", description=__doc__)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    shown = table(options.clients, options.seconds, measure(options.clients, options.seconds))
    replace_mark(PAGE, MARK, shown)
    print(shown)


if __name__ == "__main__":
    main()
