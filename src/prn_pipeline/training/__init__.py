"""One Lightning training loop, used by base models and by PRN."""

from prn_pipeline.training.loop import Trained, fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

__all__ = ["StoredSamples", "Trained", "TrainingSettings", "fit"]
