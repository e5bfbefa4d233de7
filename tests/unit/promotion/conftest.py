"""An empty registry for every test."""

import mlflow
import pytest
from mlflow.tracking import MlflowClient


@pytest.fixture
def client(tracking_store: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """An empty registry for one test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_store)
    mlflow.set_tracking_uri(tracking_store)
    return MlflowClient()
