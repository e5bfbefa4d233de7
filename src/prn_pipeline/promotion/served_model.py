"""The predictor as MLflow serves it: encoded images in, encoded masks out. MLflow runs this file."""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

from prn_pipeline.errors import UserError
from prn_pipeline.serving.places import ARTEFACT
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer


class ServedPredictor(PythonModel):
    """A predictor with one row per image; see `serving.requests`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the predictor when the server starts."""
        self._predictor = Predictor.load(context.artifacts[ARTEFACT])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict a mask for each row; a user error becomes HTTP status 400."""
        try:
            return answer(self._predictor, model_input, **(params or {}))
        except UserError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None


mlflow.models.set_model(ServedPredictor())
