"""`mlflow models serve`: a server process answers requests, and survives invalid ones."""

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions, requires
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.serving import ask, request, served
from prn_pipeline.promotion.marks import CHAMPION
from prn_pipeline.promotion.registering import REQUIREMENTS, register
from prn_pipeline.promotion.registry import Registry
from prn_pipeline.serving.item import Item
from tests.unit.serving.conftest import random_predictor

SCENES = [np.random.default_rng(k).integers(0, 256, (40 + 8 * k, 64, 3), dtype=np.uint8) for k in range(4)]


def encoded(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a server of models:/scenes@champion."""
    folder = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("served", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment):
        registry = Registry("scenes")
        registry.promote(register(registry, random_predictor(), Item(SCENES[0])), None)
    own = {"MLFLOW_TRACKING_URI": uri, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    with served(f"models:/scenes@{CHAMPION}", folder, own) as found:
        yield found


def test_answers_are_the_predictors_masks(server: tuple[str, Any]) -> None:
    status, answered = ask(server[0], request(*map(encoded, SCENES), probabilities=True))
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
        (request(base64.b64encode(b"not a picture").decode()), "row 0: the file: not a readable picture"),
        (request("###"), "row 0: a file of 0 bytes"),
        (request(GOOD, probabilities="perhaps"), "probabilities"),
        (json.dumps({"dataframe_split": {"columns": ["photo"], "data": [[GOOD]]}}).encode(), "photo"),
        (request(encoded(np.zeros((8000, 8000), np.uint8))), "expected at most 50 million"),
    ],
)
def test_an_invalid_request_gets_an_error_and_the_next_one_an_answer(
    server: tuple[str, Any], payload: bytes, reason: str
) -> None:
    status, answered = ask(server[0], payload)
    assert 400 <= status < 500, answered
    assert reason in answered
    assert ask(server[0], request(GOOD))[0] == 200


def test_another_content_type_is_rejected(server: tuple[str, Any]) -> None:
    assert ask(server[0], GOOD.encode(), "image/png")[0] == 415


def table(values: Sequence[Any], name: str = "image") -> bytes:
    """A table of one column as parquet."""
    file = io.BytesIO()
    pd.DataFrame({name: values}).to_parquet(file)
    return file.getvalue()


PARQUET = "application/vnd.apache.parquet"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", PARQUET),
        (b"PAR1" + bytes(range(256)) * 40 + b"PAR1", PARQUET),
        (table([b"no picture"])[:-20], PARQUET),
        (table([b"no picture"]), PARQUET),
        (table([[1, 2], [3]]), PARQUET),
        (table([1, 2]), PARQUET),
        (table(["text"], "photo"), PARQUET),
        (b"", "text/csv"),
        (b"\xff\x00", "text/csv"),
        (b"image\nno picture\n", "text/csv"),
        (b'image\n"never closed', "text/csv"),
        (b"a,b\n1,2,3\n", "text/csv"),
    ],
)
def test_invalid_parquet_and_csv_are_rejected(server: tuple[str, Any], payload: bytes, kind: str) -> None:
    status, answered = ask(server[0], payload, kind)
    assert 400 <= status < 500, answered
    assert ask(server[0], request(GOOD))[0] == 200


def test_several_clients_each_get_their_own_answer(server: tuple[str, Any]) -> None:
    expected = [ask(server[0], request(encoded(scene)))[1] for scene in SCENES]
    invalid = request("###")

    def client(number: int) -> bool:
        status, answered = ask(server[0], invalid if number % 5 == 4 else request(encoded(SCENES[number % 4])))
        return status == 400 if number % 5 == 4 else answered == expected[number % 4]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(client, range(40)))
    assert server[1].poll() is None


def test_the_requirements_of_a_model_cover_all_imports_of_serving() -> None:
    """The environment of a served model has only these packages and their dependencies."""
    script = (
        "import sys, importlib.metadata as m\n"
        "import prn_pipeline.serving.requests\n"
        "found = m.packages_distributions()\n"
        "print(*{d for name in {n.split('.')[0] for n in sys.modules} for d in found.get(name, [])})\n"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    imported = {name.lower() for name in printed.split()}
    declared = dependencies("prn_pipeline")
    assert imported & declared <= with_dependencies(REQUIREMENTS)


def with_dependencies(requirements: Iterable[str]) -> set[str]:
    """Names of packages and of all their direct and indirect dependencies."""
    found: set[str] = set()
    pending = {package_name(requirement) for requirement in requirements}
    while pending:
        found |= pending
        pending = {name for package in pending for name in dependencies(package)} - found
    return found


def dependencies(package: str) -> set[str]:
    """Names of the direct dependencies, without extras; none for a package that this system does not install."""
    if not any(distributions(name=package)):
        return set()
    return {package_name(requirement) for requirement in requires(package) or [] if "extra ==" not in requirement}


def package_name(requirement: str) -> str:
    """The name in a requirement such as `torch==2.14.1`."""
    return re.split(r"[^\w.-]", requirement)[0].lower()
