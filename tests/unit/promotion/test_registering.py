"""A registered version has to predict what the predictor did; MLflow's storage of files is replaced by memory."""

from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from prn_pipeline.errors import UserError
from prn_pipeline.promotion.registering import register
from prn_pipeline.promotion.registry import BROKEN, DIGEST, Registry
from prn_pipeline.serving.predictor import Item, Predictor
from prn_pipeline.serving.requests import answer
from tests.unit.serving.conftest import random_predictor

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


def test_a_broken_version_is_not_found_even_if_its_digest_is_known(model: Registry, client: MlflowClient) -> None:
    for number, tags in enumerate(({DIGEST: "abc"}, {DIGEST: "abc", BROKEN: "damaged"}), 1):
        client.create_model_version("roads", f"/somewhere/{number}", tags=tags)
    found = model.find("abc")
    assert found is not None
    assert str(found.version) == "1", "version 2 is newer, but broken"
