"""Maps for the saliency tests, and their measures by PySODMetrics, which needs an older numpy than ours.

In an environment with pysodmetrics 1.6.2: python tests/unit/metrics/saliency_reference.py
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".json")


def example_maps() -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps float64 (H,W) of 256 levels and truths bool (H,W): blocks of any size, and every corner case."""
    rng = np.random.default_rng(0)
    maps = []
    for _ in range(24):
        height, width = (int(side) for side in rng.integers(3, 14, 2))
        side = int(rng.integers(1, 8))
        coarse = np.kron(rng.integers(0, 256, (height, width)), np.ones((side, side), int))
        truth = coarse > rng.integers(40, 220)
        noisy = np.clip(coarse + rng.integers(-90, 91, coarse.shape), 0, 255)
        maps.append((noisy / 255, truth))
    for change in ("empty", "full", "first", "last", "black", "grey", "perfect", "inverse"):
        salient, truth = (array.copy() for array in maps[3])
        if change in ("empty", "full"):
            truth[:] = change == "full"
        if change in ("first", "last"):
            truth[:] = False
            truth.flat[0 if change == "first" else -1] = True
        if change in ("black", "grey"):
            salient[:] = 0 if change == "black" else 77 / 255
        if change in ("perfect", "inverse"):
            salient = (truth if change == "perfect" else ~truth).astype(np.float64)
        maps.append((salient, truth))
    return maps


def _measured(salient: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    import py_sod_metrics as sod

    mae, f, weighted, s, e = sod.MAE(), sod.Fmeasure(), sod.WeightedFmeasure(), sod.Smeasure(), sod.Emeasure()
    for measure in (mae, f, weighted, s, e):
        measure.step(salient, truth, normalize=False)
    return {
        "mae": float(mae.maes[0]),
        "weighted_f": float(weighted.weighted_fms[0]),
        # an object in the last pixel leaves an empty quadrant, and a division by zero
        "s_measure": None if np.isnan(s.sms[0]) else float(s.sms[0]),
        "f_curve": [round(float(value), 9) for value in f.changeable_fms[0][::15]],
        "e_curve": [round(float(value), 9) for value in e.changeable_ems[0][::15]],
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FILE.write_text(json.dumps([_measured(*pair) for pair in example_maps()], indent=1) + "\n")
