"""Foreground of the splits: some in each that is measured, and about as much in one as in another."""

from __future__ import annotations

import itertools
import logging
import math

import numpy as np
import pandas as pd

from prn_pipeline.data.splits.assignment import SPLITS
from prn_pipeline.errors import UserError, counted

logger = logging.getLogger(__name__)

#: Mean shares of foreground of two splits differ remarkably where one is this many times the other, and ...
TIMES = 2.0
#: ... their difference is this many standard errors. Of twelve data sets only camvid_cars exceeds both, 3.4 times,
#: because its val is a drive of its own; the next, camvid_trees, has 1.6 times.
ERRORS = 4.0
#: Mean share from which masks may be inverted: in nine binary data sets the mean is 0.02 to 0.23.
MOST = 0.75


def check_foreground(name: str, manifest: pd.DataFrame, several: bool = False) -> None:
    """Check the foreground of every split of data set `name`.

    Args:
        name: the data set's name, for messages.
        manifest: columns split, group, and foreground (share in [0, 1], NaN where all pixels are ignored).
        several: there are several classes, and all of them but the first count as foreground.

    Raises:
        UserError: val or test has no foreground: no threshold can be tuned on it, and no IoU is defined.
    """
    for split in SPLITS:
        rows = manifest[manifest["split"] == split]
        if (rows["foreground"] > 0).any():
            continue
        if split == "train" and rows.empty:
            continue
        if split == "train":
            logger.warning("data set '%s': no foreground pixel in the %s of train", name, counted(len(rows), "image"))
            continue
        raise UserError(
            f"data set '{name}': no foreground pixel in the {counted(len(rows), 'image')} of {split}, so nothing can be"
            f" measured there: the IoU is undefined. Move images with foreground to {split}, or draw other splits:"
            " `split: {method: ratio, seed: ...}`."
        )
    _warn_of_different_shares(name, manifest)
    mean = float(manifest["foreground"].mean())
    if mean > MOST and not several:
        logger.warning(
            "data set '%s': the foreground covers %.0f %% of an image on average, and predicting it everywhere has an"
            " IoU of about %.2f. If the masks mark the background, choose the other value: `mask: {values: [0]}`",
            name,
            100 * mean,
            mean,
        )


def shares(manifest: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Mean share of foreground of each split, over groups, and its standard error (NaN for a single group)."""
    found = {}
    for split in SPLITS:
        rows = manifest[(manifest["split"] == split) & manifest["foreground"].notna()]
        groups = rows.groupby("group")["foreground"].mean().to_numpy()
        error = groups.std(ddof=1) / len(groups) ** 0.5 if len(groups) > 1 else np.nan
        found[split] = (float(groups.mean()) if len(groups) else np.nan, float(error))
    return found


def _warn_of_different_shares(name: str, manifest: pd.DataFrame) -> None:
    measured = shares(manifest)
    for one, other in itertools.combinations(SPLITS, 2):
        (low, low_error), (high, high_error) = sorted([measured[one], measured[other]])
        if high > TIMES * low and high - low > ERRORS * float(np.hypot(low_error, high_error)):
            logger.warning(
                "data set '%s': the foreground covers %s of an image on average: a model of one split meets another"
                " distribution in the other. If that is not what you measure, draw the splits with"
                " `split: {method: ratio}`",
                name,
                ", ".join(
                    f"{100 * mean:.2g} %% in {split}".replace("%%", "%")
                    for split, (mean, _) in measured.items()
                    if math.isfinite(mean)
                ),
            )
            return
