"""What a server answers: masks to valid requests, a reason to all others, and never a part of the request."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.server import application
from tests.unit.serving.conftest import map_predictor
from tests.unit.serving.running_server import Running, running

#: What must not come back in any form.
MARKER = "hunter2-is-the-password-of-somebody"


@pytest.fixture(scope="module")
def server(predictor: Predictor) -> Iterator[Running]:
    with running(predictor, megabytes=2) as found:
        yield found


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def mask_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


GOOD = text(png(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)))


@pytest.mark.parametrize(
    "form",
    [
        lambda images: {"dataframe_split": {"columns": ["image"], "data": [[one] for one in images]}},
        lambda images: {"dataframe_records": [{"image": one} for one in images]},
        lambda images: {"instances": [{"image": one} for one in images]},
        lambda images: {"instances": images},
        lambda images: {"instances": [{"image": {"b64": one}} for one in images]},
        lambda images: {"inputs": {"image": images}},
        lambda images: {"inputs": images},
    ],
)
def test_each_form_of_json_gets_the_predictors_masks(
    server: Running, predictor: Predictor, scenes: list[np.ndarray], form: Any
) -> None:
    answered = server.ask(form([text(png(scene)) for scene in scenes]) | {"params": {"probabilities": True}})
    assert answered.status == 200, answered.body
    together = predictor.predict(scenes)  # in one batch, as the server: one by one, AMX rounds differently
    for (expected, _), row in zip(together, answered.json["predictions"], strict=True):
        assert (mask_of(base64.b64decode(row["mask"])) == 255 * expected).all()
        assert (row["height"], row["width"]) == expected.shape
        assert row["foreground"] == pytest.approx(expected.mean())
        assert row["probabilities"]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg; q=1", "application/octet-stream"])
def test_a_file_gets_its_mask_as_json_or_as_a_picture(
    server: Running, predictor: Predictor, scenes: list[np.ndarray], kind: str
) -> None:
    expected = 255 * predictor.predict(scenes[1])[0].mask
    as_json = server.ask(png(scenes[1]), kind)
    assert (mask_of(base64.b64decode(as_json.json["predictions"][0]["mask"])) == expected).all()
    as_picture = server.ask(png(scenes[1]), kind, Accept="image/png")
    assert as_picture.headers["content-type"] == "image/png"
    assert (mask_of(as_picture.body) == expected).all()


def test_a_file_takes_its_parameters_from_the_address(server: Running, scenes: list[np.ndarray]) -> None:
    answered = server.ask(png(scenes[0]), "image/png", "/invocations?probabilities=true")
    assert "probabilities" in answered.json["predictions"][0]
    assert server.ask(png(scenes[0]), "image/png", f"/invocations?{MARKER}=1").status == 400
    assert "expected true or false" in server.ask(png(scenes[0]), "image/png", "/invocations?at_own_scale=7").message


def test_a_predictor_of_maps_reads_a_map_file() -> None:
    predictor = map_predictor()
    probabilities = np.random.default_rng(1).random((40, 50), dtype=np.float32)
    file = io.BytesIO()
    np.save(file, probabilities)
    with running(predictor) as server:
        answered = server.ask(file.getvalue(), "application/octet-stream")
        assert answered.status == 200, answered.body
        assert answered.json["predictions"][0]["width"] == 50
        missing = server.ask({"instances": [{"image": GOOD}]})
        assert (missing.status, "has no map" in missing.message) == (400, True)


SPLIT = "dataframe_split"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (MARKER.encode(), "not valid JSON, in line 1, column 1"),
        (b'{"instances": ["\xff"]}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"instances": ' + b"9" * 5000 + b"}", "not valid JSON"),
        ([MARKER], "the body is a list, expected an object"),
        ({MARKER: 1}, "no input, expected one of dataframe_split"),
        ({"instances": [GOOD], "inputs": [GOOD]}, "instances and inputs"),
        ({"instances": MARKER}, "instances is a text, expected a list"),
        ({"instances": [MARKER]}, "row 0: image is not base64"),
        ({"instances": [[MARKER]]}, "row 0: image is a list"),
        ({"instances": [{MARKER: GOOD}]}, "row 0 has no image but other columns: 1"),
        ({"instances": [{"photo": GOOD}]}, "other columns: photo"),
        ({"instances": [{"image": GOOD, "map": GOOD}]}, "other columns: map; expected image"),
        ({"instances": [None]}, "image is missing"),
        ({"instances": [3.5]}, "image is a number"),
        ({"instances": [GOOD, True]}, "row 1: image is true or false"),
        ({"instances": [""]}, "row 0: a file of 0 bytes"),
        ({"instances": []}, "0 images, expected 1 to 32"),
        ({"instances": [GOOD] * 33}, "33 images, expected 1 to 32"),
        ({"instances": [text(MARKER.encode())]}, "row 0: the file: not a readable picture"),
        ({"instances": [text(b"\x93NUMPY\x01\x00v\x00{'descr': '" + MARKER.encode())]}, "row 0: the file"),
        ({"instances": [text(png(np.zeros((8000, 8000), np.uint8)))]}, "expected at most 50 million"),
        ({"inputs": {"image": [GOOD, GOOD], "map": [GOOD]}}, "columns of different lengths"),
        ({"inputs": {"image": MARKER}}, "a column is a text"),
        ({SPLIT: [MARKER]}, "dataframe_split is a list, expected an object"),
        ({SPLIT: {"columns": ["image"]}}, "dataframe_split.data is missing"),
        ({SPLIT: {"columns": ["image"], "data": [[GOOD, MARKER]]}}, "one value for each of 1 columns"),
        ({SPLIT: {"columns": [["image"]], "data": [[GOOD]]}}, "has no image"),
        ({"dataframe_records": [MARKER]}, "row 0 is a text, expected an object with image"),
        ({"instances": [GOOD], "params": [MARKER]}, "params is a list"),
        ({"instances": [GOOD], "params": {MARKER: True}}, "an unknown parameter, expected probabilities"),
        ({"instances": [GOOD], "params": {"probabilities": MARKER}}, "probabilities is a text"),
    ],
)
def test_an_invalid_body_gets_a_reason_without_its_content_and_the_next_an_answer(
    server: Running, body: Any, reason: str
) -> None:
    answered = server.ask(body)
    assert answered.status == 400, answered.body
    assert set(answered.json) == {"error_code", "message"}
    assert reason in answered.message
    assert MARKER.encode() not in answered.body
    assert text(MARKER.encode()).encode()[:20] not in answered.body
    assert server.ask({"instances": [GOOD]}).status == 200


@pytest.mark.parametrize("kind", ["text/csv", "", "multipart/form-data; boundary=x", "application/jsonx", MARKER])
def test_another_content_type_is_refused(server: Running, kind: str) -> None:
    answered = server.ask({"instances": [GOOD]}, kind)
    assert (answered.status, answered.json["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert MARKER not in answered.message


def test_several_images_are_no_picture(server: Running) -> None:
    assert server.ask({"instances": [GOOD, GOOD]}, Accept="image/png").status == 400


def test_addresses_that_say_how_the_server_is(server: Running) -> None:
    for path in ("/ping", "/health", "/ready", "/version"):
        assert server.get(path).status == 200
    assert server.get("/").status == 404
    assert "POST /invocations" in server.get("/admin").message
    assert server.get("/invocations").status == 405


def test_a_defect_is_reported_without_its_cause_and_affects_no_other_request(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError(MARKER)

    with monkeypatch.context() as patch:
        patch.setattr(application, "answer", fails)
        answered = server.ask({"instances": [GOOD]})
    assert (answered.status, answered.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert MARKER not in answered.message
    assert server.ask({"instances": [GOOD]}).status == 200
