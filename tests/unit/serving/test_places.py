"""A predictor is read from a folder or from a registry, whose copy is removed afterwards."""

import os
from pathlib import Path

import mlflow.artifacts
import pytest
from mlflow.exceptions import MlflowException

from prn_pipeline.errors import UserError
from prn_pipeline.serving.places import folder_of


@pytest.mark.parametrize("as_text", [True, False])
def test_a_folder_is_itself(tmp_path: Path, as_text: bool) -> None:
    with folder_of(str(tmp_path) if as_text else tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.is_dir()


@pytest.mark.parametrize("address", ["models:/roads@champion", "runs:/abc/predictor"])
@pytest.mark.parametrize(("before", "after"), [(None, "false"), ("true", "true")])
def test_an_address_is_downloaded_for_as_long_as_it_is_used(
    monkeypatch: pytest.MonkeyPatch, address: str, before: str | None, after: str
) -> None:
    name = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    monkeypatch.setenv(name, before or "")
    if before is None:
        monkeypatch.delenv(name)
    asked = []

    def download(artifact_uri: str, dst_path: str) -> str:
        asked.append((artifact_uri, os.environ[name]))
        (Path(dst_path) / "model" / "artifacts" / "predictor").mkdir(parents=True)
        return f"{dst_path}/model"

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    with folder_of(address) as folder:
        assert folder.is_dir()
        assert folder.parts[-3:] == ("model", "artifacts", "predictor")
    assert not folder.parents[2].exists()
    assert asked == [(address, after)]


def test_a_model_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda artifact_uri, dst_path: dst_path)
    message = r"^models:/roads/1 is a model of another kind, expected a predictor: `prn models` lists predictors$"
    with pytest.raises(UserError, match=message), folder_of("models:/roads/1"):
        pass


@pytest.mark.parametrize("error", [MlflowException("not there"), OSError("not there")])
def test_an_address_that_cannot_be_downloaded_is_an_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(artifact_uri: str, dst_path: str) -> str:
        raise error

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", fails)
    with pytest.raises(UserError) as caught, folder_of("models:/roads/1"):
        pass
    assert str(caught.value) == (
        "models:/roads/1: the model registry has no such model, or its files are missing (not there)."
        " MLFLOW_TRACKING_URI selects the registry; `prn models` lists its models."
    )
