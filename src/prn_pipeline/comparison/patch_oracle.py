"""The patch oracle: the best result of one threshold per patch, selected on the true masks. A bound, not a competitor.

It has no multi-class form: thresholds that are each best for one class do not give one class per pixel.
"""

from __future__ import annotations

from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    import torch

    from prn_pipeline.refinement.baselines.decision_rules import PatchOracle

    base, masks = torch.from_numpy(maps.base)[:, None], torch.from_numpy(maps.masks)
    return Prediction(PatchOracle(tuned.patch_size)(base, masks)[:, 0].numpy() > 0, None)


PATCH_ORACLE = ComparisonMethod("patch_oracle", "Patch oracle", "oracle", "bound", _predict)
