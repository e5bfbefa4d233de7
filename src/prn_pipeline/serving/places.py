"""Where a predictor lies: in a folder, or in a model registry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prn_pipeline.errors import UserError

#: Addresses that MLflow knows.
SCHEMES = ("models:/", "runs:/")
#: Name of the artefact of a registered model that is the predictor's folder.
ARTEFACT = "predictor"


@contextmanager
def folder_of(place: str | Path) -> Iterator[Path]:
    """The predictor's folder; what had to be downloaded is removed afterwards.

    Args:
        place: a folder, or an address such as models:/my_roads@champion.

    Raises:
        UserError: the registry has no such model, or it is none of ours.
    """
    if not str(place).startswith(SCHEMES):
        yield Path(place)
        return
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for six small files
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = Path(download_artifacts(artifact_uri=str(place), dst_path=temporary))
        except (MlflowException, OSError) as error:
            raise UserError(
                f"{place}: the model registry has no such model, or its files are gone ({error}). MLFLOW_TRACKING_URI"
                " says which registry is asked; `prn models` lists what it has."
            ) from error
        folder = found / "artifacts" / ARTEFACT
        if not folder.is_dir():
            raise UserError(f"{place} is a model of another kind: it holds no predictor")
        yield folder
