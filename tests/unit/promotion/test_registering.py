"""A registered version has to predict what the predictor did; MLflow's storage of files is replaced by memory."""

import io
import json
import os
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from PIL import Image
from scipy.special import expit

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.errors import UserError
from prn_pipeline.promotion.marks import BROKEN, DIGEST
from prn_pipeline.promotion.registering import REQUIREMENTS, register, signature_of
from prn_pipeline.promotion.registry import Registry
from prn_pipeline.promotion.served_model import ServedPredictor
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.places import ARTEFACT
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer
from prn_pipeline.serving.settings import PredictorSettings
from tests.unit.serving.conftest import map_predictor, random_predictor

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor()


@pytest.fixture
def model(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Registry:
    def registered(uri: str, name: str, tags: dict[str, str]) -> Any:
        return client.create_model_version(name, uri, tags=tags)

    client.create_registered_model("roads")
    monkeypatch.setattr(mlflow.pyfunc, "log_model", lambda **_: SimpleNamespace(model_uri="/somewhere"))
    monkeypatch.setattr(mlflow, "register_model", registered)
    return Registry("roads")


def load_back(monkeypatch: pytest.MonkeyPatch, predict: Any) -> None:
    """The registered version predicts with this function."""
    monkeypatch.setattr(mlflow.pyfunc, "load_model", lambda address: SimpleNamespace(predict=predict))


def test_a_version_that_predicts_the_same_can_be_found_again(
    model: Registry, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_back(monkeypatch, lambda request: answer(predictor, request))
    version = register(model, predictor, Item(IMAGE))
    assert version.tags[DIGEST] == predictor.digest
    assert BROKEN not in version.tags
    found = model.find(predictor.digest)
    assert found is not None
    assert found.version == version.version
    assert model.find("another") is None


def test_a_version_that_cannot_predict_is_tagged_broken_and_is_never_found(
    model: Registry, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(request: pd.DataFrame) -> pd.DataFrame:
        raise RuntimeError("no such kernel")

    load_back(monkeypatch, fails)
    with pytest.raises(UserError, match=r"models:/roads/1 was registered but cannot predict \(no such kernel\)"):
        register(model, predictor, Item(IMAGE))
    tags = model.version("1").tags
    assert tags[BROKEN] == "RuntimeError: no such kernel"
    assert DIGEST not in tags
    assert model.find(predictor.digest) is None


def test_a_version_that_predicts_another_mask_is_tagged_broken(
    model: Registry, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_back(monkeypatch, lambda request: answer(predictor, request).assign(mask="another"))
    with pytest.raises(UserError, match="models:/roads/1 predicts another mask than before registration"):
        register(model, predictor, Item(IMAGE))
    tags = model.version("1").tags
    assert tags[BROKEN] == "predicts another mask than before registration"
    assert DIGEST not in tags


def test_a_long_error_is_cut_to_what_a_tag_holds(
    model: Registry, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(request: pd.DataFrame) -> pd.DataFrame:
        raise RuntimeError("x" * 9000)

    load_back(monkeypatch, fails)
    with pytest.raises(UserError):
        register(model, predictor, Item(IMAGE))
    assert model.version("1").tags[BROKEN] == f"RuntimeError: {'x' * 9000}"[:4000]


def test_the_logged_model_can_be_served_as_it_is(
    client: MlflowClient, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that a server needs is passed to MLflow, and the version is loaded by its own address."""
    logged: dict[str, Any] = {}
    addresses: list[str] = []

    def log_model(**arguments: Any) -> Any:
        logged.update(arguments)
        logged["saved"] = Predictor.load(arguments["artifacts"][ARTEFACT]).digest
        return SimpleNamespace(model_uri="/somewhere/else")

    def registered(uri: str, name: str, tags: dict[str, str]) -> Any:
        addresses.extend([uri, name])
        return client.create_model_version(name, uri, tags=tags)

    def load_model(address: str) -> Any:
        addresses.append(address)
        return SimpleNamespace(predict=lambda request: answer(predictor, request))

    client.create_registered_model("roads")
    monkeypatch.setattr(mlflow.pyfunc, "log_model", log_model)
    monkeypatch.setattr(mlflow, "register_model", registered)
    monkeypatch.setattr(mlflow.pyfunc, "load_model", load_model)
    version = register(Registry("roads"), predictor, Item(IMAGE))
    assert addresses == ["/somewhere/else", "roads", "models:/roads/1"]
    assert version.tags == {"made_by": predictor.settings.made_by, DIGEST: predictor.digest}
    assert (logged["name"], list(logged["artifacts"]), logged["saved"]) == (ARTEFACT, [ARTEFACT], predictor.digest)
    assert not Path(logged["artifacts"][ARTEFACT]).exists(), "the folder is temporary"
    assert Path(logged["python_model"]).name == "served_model.py"
    assert "ServedPredictor" in Path(logged["python_model"]).read_text()
    (package,) = logged["code_paths"]
    assert (Path(package) / "promotion" / "served_model.py").is_file()
    assert Path(package).name == "prn_pipeline"
    assert logged["signature"] == signature_of(predictor)
    (row,) = logged["input_example"].to_dict("records")
    assert list(row) == ["image"]
    assert (np.asarray(Image.open(io.BytesIO(row["image"]))) == IMAGE).all()
    assert logged["pip_requirements"] == [f"{name}=={metadata.version(name)}" for name in REQUIREMENTS]


@pytest.mark.parametrize(("before", "after"), [(None, "false"), ("true", "true")])
def test_no_progress_bar_is_shown_unless_the_user_wants_it(
    model: Registry, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    name = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    monkeypatch.setenv(name, before or "")
    if before is None:
        monkeypatch.delenv(name)
    load_back(monkeypatch, lambda request: answer(predictor, request))
    register(model, predictor, Item(IMAGE))
    assert os.environ[name] == after


@pytest.mark.parametrize(
    ("made", "columns"),
    [
        (random_predictor, {"image": True}),
        (map_predictor, {"map": True, "image": False}),
        (lambda: map_predictor(inputs=("images",)), {"map": True, "image": True}),
    ],
)
def test_the_signature_lists_every_column_and_parameter_of_a_request(made: Any, columns: dict[str, bool]) -> None:
    found = signature_of(made()).to_dict()
    inputs, outputs, params = (json.loads(found[name]) for name in ("inputs", "outputs", "params"))
    assert inputs == [{"type": "binary", "name": name, "required": needed} for name, needed in columns.items()]
    assert outputs == [
        {"type": "string", "name": "mask", "required": True},
        {"type": "long", "name": "height", "required": True},
        {"type": "long", "name": "width", "required": True},
        {"type": "double", "name": "foreground", "required": True},
        {"type": "string", "name": "probabilities", "required": False},
    ]
    assert [(param["name"], param["type"], param["default"]) for param in params] == [
        ("probabilities", "boolean", False),
        ("at_own_scale", "boolean", False),
    ]


def example_of(predictor: Predictor, item: Item, model: Registry, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The request that a new version is tried with."""
    requests: list[pd.DataFrame] = []

    def predict(request: pd.DataFrame) -> pd.DataFrame:
        requests.append(request)
        return answer(predictor, request)

    load_back(monkeypatch, predict)
    register(model, predictor, item)
    (row,) = requests[0].to_dict("records")
    return row


def test_a_version_that_refines_maps_is_tried_with_a_map(model: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (1, 20, 30)).astype(np.float32)
    for inputs, item, columns in (
        ((), Item(None, logits), {"map"}),
        (("images",), Item(IMAGE, logits), {"map", "image"}),
    ):
        row = example_of(map_predictor(inputs), item, model, monkeypatch)
        assert set(row) == columns
        np.testing.assert_allclose(np.load(io.BytesIO(row["map"])), expit(logits), atol=1e-6)


def test_a_version_for_many_bands_is_tried_with_an_array(model: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", channels=4)).eval()
    settings = PredictorSettings(image_size=64, bands=BandSettings(count=4, low=0, high=65535))
    predictor = Predictor(base, map_predictor().refiner, settings)
    bands = np.random.default_rng(0).integers(0, 65536, (20, 30, 4)).astype(np.uint16)
    row = example_of(predictor, Item(bands), model, monkeypatch)
    assert (np.load(io.BytesIO(row["image"])) == bands).all()


def test_a_server_loads_the_predictor_and_passes_parameters_on(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "saved")
    served, context = ServedPredictor(), SimpleNamespace(artifacts={ARTEFACT: str(tmp_path / "saved")})
    served.load_context(context)  # type: ignore[arg-type]
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "PNG")
    request = pd.DataFrame({"image": [file.getvalue()]})
    found = served.predict(context, request)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, answer(predictor, request))
    params = {"probabilities": True, "at_own_scale": True}
    found = served.predict(context, request, params)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, answer(predictor, request, probabilities=True, at_own_scale=True))
    with pytest.raises(MlflowException, match=r"^0 images, expected 1 to 32 in a request: send several requests$") as e:
        served.predict(context, request[:0])  # type: ignore[arg-type]
    assert e.value.error_code == "INVALID_PARAMETER_VALUE", "status 400: the fault of the request"
    assert e.value.__cause__ is None


def test_a_broken_version_is_not_found_even_if_its_digest_is_known(model: Registry, client: MlflowClient) -> None:
    for number, tags in enumerate(({DIGEST: "abc"}, {DIGEST: "abc", BROKEN: "damaged"}), 1):
        client.create_model_version("roads", f"/somewhere/{number}", tags=tags)
    found = model.find("abc")
    assert found is not None
    assert str(found.version) == "1", "version 2 is newer, but broken"
