"""A trained base model and its refiner, as one thing that takes images and gives masks."""

from prn_pipeline.serving.predicted import Predicted
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings

__all__ = ["Predicted", "Predictor", "PredictorSettings"]
