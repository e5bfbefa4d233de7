"""Predictors in the catalog."""

from prn_pipeline.data.store.locations import local_copy
from prn_pipeline.io.files import FileDataset
from prn_pipeline.serving.predictor import Predictor


class PredictorDataset(FileDataset[Predictor, Predictor]):
    """A predictor's folder."""

    FOLDER = True

    def save(self, data: Predictor) -> None:
        """Write the folder atomically."""
        data.save(self._filepath)

    def load(self) -> Predictor:
        """Load the predictor."""
        with local_copy(self._existing()) as folder:
            return Predictor.load(folder)
