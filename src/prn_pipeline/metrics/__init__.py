"""Streaming counts to scores, and how sure they are."""

from prn_pipeline.metrics.bootstrap import Gain, Groups, independent, interval, paired_gain
from prn_pipeline.metrics.counts import COLUMNS, TruthCounter, boundaries, boundary_width, count_image
from prn_pipeline.metrics.scores import iou, mean_iou, scores

__all__ = [
    "COLUMNS",
    "Gain",
    "Groups",
    "TruthCounter",
    "boundaries",
    "boundary_width",
    "count_image",
    "independent",
    "interval",
    "iou",
    "mean_iou",
    "paired_gain",
    "scores",
]
