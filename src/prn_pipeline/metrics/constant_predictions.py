"""Whether a method predicts the same everywhere: nothing, everything, or one class."""

from __future__ import annotations

from typing import Literal

import numpy as np

from prn_pipeline.metrics.scores import by_class

Constant = Literal["nothing", "everything", "one class"]

#: A method predicts nothing if it predicts fewer pixels than this share of the true foreground: a network that was
#: stopped too early leaves a few stray pixels, while a network that merely misses most objects finds more than this.
MIN_SHARE = 0.01


def constant_prediction(counts: np.ndarray) -> Constant | None:
    """What a method predicts (nearly) everywhere on a whole set of images although the truth has more than that.

    Args:
        counts: int64 (images, 6) or (images, C, 6), see `counts.COLUMNS`.

    Returns:
        "nothing": foreground on fewer pixels than `MIN_SHARE` of the true foreground; "everything": background on
        fewer pixels than `MIN_SHARE` of the true background; "one class": all but one class as rarely. None otherwise,
        and where the truth is constant too.
    """
    true_positives, false_positives, false_negatives, true_negatives = by_class(counts)[..., :4].sum(0).T
    predicted, truth = true_positives + false_positives, true_positives + false_negatives
    if len(truth) > 1:
        others = np.arange(len(truth)) != predicted.argmax()
        return "one class" if predicted[others].sum() < MIN_SHARE * truth[others].sum() else None
    background = false_positives + true_negatives
    if predicted[0] < MIN_SHARE * truth[0]:
        return "nothing"
    return "everything" if false_negatives[0] + true_negatives[0] < MIN_SHARE * background[0] else None
