"""Predictors in the catalog."""

from typing import Any

from kedro.io import AbstractDataset

from prn_pipeline.data.locations import is_whole, local_copy, location
from prn_pipeline.serving import Predictor


class PredictorDataset(AbstractDataset[Predictor, Predictor]):
    """A predictor's folder."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = location(filepath)
        self.metadata = metadata

    def save(self, data: Predictor) -> None:
        """Write the folder, which appears whole or not at all."""
        data.save(self._filepath)

    def load(self) -> Predictor:
        """Read it."""
        with local_copy(self._filepath) as folder:
            return Predictor.load(folder)

    def _exists(self) -> bool:
        return is_whole(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
