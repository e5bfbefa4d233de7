"""`mlflow models serve`: a real process that answers real requests, and lives on after bad ones."""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from PIL import Image

from prn_pipeline.promotion.registering import REQUIREMENTS, register
from prn_pipeline.promotion.registry import CHAMPION, Registry
from prn_pipeline.serving.predictor import Item
from tests.unit.serving.conftest import random_predictor

SCENES = [np.random.default_rng(k).integers(0, 256, (40 + 8 * k, 64, 3), dtype=np.uint8) for k in range(4)]


def encoded(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def request(*images: Any, **params: Any) -> bytes:
    table = {"columns": ["image"], "data": [[image] for image in images]}
    return json.dumps({"dataframe_split": table} | ({"params": params} if params else {})).encode()


def ask(address: str, payload: bytes, kind: str = "application/json") -> tuple[int, Any]:
    """Status, and what was answered."""
    sent = urllib.request.Request(f"{address}/invocations", payload, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(sent, timeout=120) as answered:
            return answered.status, json.loads(answered.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a server of models:/scenes@champion."""
    folder = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("served", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment):
        registry = Registry("scenes")
        registry.promote(register(registry, random_predictor(), Item(SCENES[0])), None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = ["mlflow", "models", "serve", "-m", f"models:/scenes@{CHAMPION}", "-p", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--env-manager", "local"], env=environment, cwd=folder, stdout=log, stderr=log
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait(address, process, folder / "log")
            yield address, process
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except OSError:
            time.sleep(1)
    pytest.fail(f"no answer within four minutes:\n{log.read_text()}")


def test_answers_are_the_predictors_masks(served: tuple[str, Any]) -> None:
    status, answered = ask(served[0], request(*map(encoded, SCENES), probabilities=True))
    assert status == 200, answered
    for scene, row in zip(SCENES, answered["predictions"], strict=True):
        expected = random_predictor().predict(scene)[0]
        mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["mask"]))))
        assert (mask == 255 * expected.mask).all()
        assert row["probabilities"]


GOOD = encoded(SCENES[0])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "valid JSON"),
        (b"\x00\xff\xfe garbage", "valid JSON"),
        (b"[1, 2]", "Received a list"),
        (b'{"something": 1}', "input fields"),
        (request(), "expected"),
        (request(*[GOOD] * 33), "33 images, expected 1 to 32"),
        (request(3.5), ""),
        (request([[1, 2], [3, 4]]), ""),
        (request(None), ""),
        (request(base64.b64encode(b"no picture").decode()), "row 0: the file: not a readable picture"),
        (request("###"), "row 0: a file of 0 bytes"),
        (request(GOOD, probabilities="perhaps"), "probabilities"),
        (json.dumps({"dataframe_split": {"columns": ["photo"], "data": [[GOOD]]}}).encode(), "photo"),
        (request(encoded(np.zeros((8000, 8000), np.uint8))), "expected at most 50 million"),
    ],
)
def test_a_bad_request_gets_a_reason_and_the_next_one_an_answer(
    served: tuple[str, Any], payload: bytes, reason: str
) -> None:
    status, answered = ask(served[0], payload)
    assert 400 <= status < 500, answered
    assert reason in answered
    assert ask(served[0], request(GOOD))[0] == 200


def test_another_content_type_is_refused(served: tuple[str, Any]) -> None:
    assert ask(served[0], GOOD.encode(), "image/png")[0] == 415


def test_several_clients_each_get_their_own_answer(served: tuple[str, Any]) -> None:
    expected = [ask(served[0], request(encoded(scene)))[1] for scene in SCENES]
    bad = request("###")

    def client(number: int) -> bool:
        status, answered = ask(served[0], bad if number % 5 == 4 else request(encoded(SCENES[number % 4])))
        return status == 400 if number % 5 == 4 else answered == expected[number % 4]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(client, range(40)))
    assert served[1].poll() is None


def test_requirements_are_all_that_serving_imports() -> None:
    """A served model's environment has these, what they bring along, and nothing else."""
    script = (
        "import sys, importlib.metadata as m\n"
        "import prn_pipeline.serving.requests\n"
        "found = m.packages_distributions()\n"
        "print(*{d for name in {n.split('.')[0] for n in sys.modules} for d in found.get(name, [])})\n"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    imported = {name.lower() for name in printed.split()}
    declared = {named(one) for one in requires("prn_pipeline") or [] if "extra ==" not in one}
    brought = {named(one) for name in REQUIREMENTS for one in requires(name) or []}
    assert imported & declared <= {*REQUIREMENTS, *brought}


def named(requirement: str) -> str:
    """The name of what is required."""
    return re.split(r"[^\w.-]", requirement)[0].lower()
