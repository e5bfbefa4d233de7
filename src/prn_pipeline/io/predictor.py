"""Predictors in the catalog."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from prn_pipeline.serving import Predictor
from prn_pipeline.serving.saved import FILES


class PredictorDataset(AbstractDataset[Predictor, Predictor]):
    """A predictor's folder."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def save(self, data: Predictor) -> None:
        """Write the folder, which appears whole or not at all."""
        data.save(self._filepath)

    def load(self) -> Predictor:
        """Read it."""
        return Predictor.load(self._filepath)

    def _exists(self) -> bool:
        return all((self._filepath / name).is_file() for name in FILES)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
