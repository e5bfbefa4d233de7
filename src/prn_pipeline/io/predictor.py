"""Predictors in the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.data.store.locations import local_copy
from prn_pipeline.io.files import FileDataset

if TYPE_CHECKING:  # Kedro makes every entry of the catalog in every run
    from prn_pipeline.serving.predictor import Predictor


class PredictorDataset(FileDataset["Predictor", "Predictor"]):
    """A predictor's folder."""

    FOLDER = True

    def save(self, data: Predictor) -> None:
        """Write the folder atomically."""
        data.save(self._filepath)

    def load(self) -> Predictor:
        """Load the predictor."""
        from prn_pipeline.serving.predictor import Predictor

        with local_copy(self._existing()) as folder:
            return Predictor.load(folder)
