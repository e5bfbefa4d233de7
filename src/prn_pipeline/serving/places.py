"""Where a predictor is stored: in a folder, or in a model registry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prn_pipeline.errors import UserError

#: Address schemes of MLflow.
SCHEMES = ("models:/", "runs:/")
#: Name of the artefact of a registered model that holds the predictor's folder.
ARTEFACT = "predictor"


@contextmanager
def folder_of(place: str | Path) -> Iterator[Path]:
    """The folder of a predictor; a downloaded one is removed afterwards.

    Args:
        place: a folder, or an address such as models:/my_roads@champion.

    Raises:
        UserError: the registry has no such model, or the model is not a predictor.
    """
    if not str(place).startswith(SCHEMES):
        yield Path(place)
        return
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a few small files need no progress bar
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = Path(download_artifacts(artifact_uri=str(place), dst_path=temporary))
        except (MlflowException, OSError) as error:
            raise UserError(
                f"{place}: the model registry has no such model, or its files are missing ({error})."
                " MLFLOW_TRACKING_URI selects the registry; `prn models` lists its models."
            ) from error
        folder = found / "artifacts" / ARTEFACT
        if not folder.is_dir():
            raise UserError(f"{place} is a model of another kind, expected a predictor: `prn models` lists predictors")
        yield folder
