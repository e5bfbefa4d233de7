"""The counts of the guard against plain comparisons, at the edges of its bins."""

import numpy as np
import torch

from prn_pipeline.refinement.baselines.expected_iou import expected_iou_shift, ranked_on_cpu, shift_of_ranked
from prn_pipeline.refinement.region_detail.correction import SHIFTS
from prn_pipeline.refinement.region_detail.correction_strength import bounds_below

EDGES = np.concatenate([SHIFTS, np.nextafter(SHIFTS, np.float32(9)), np.nextafter(SHIFTS, np.float32(-9))])
LOGITS = np.concatenate([EDGES, np.float32([-16, 16, 0.0, -0.0, 1e-40, -1e-40])]).astype(np.float32)


def test_bounds_are_counted_as_comparisons_count_them() -> None:
    found = bounds_below(torch.from_numpy(LOGITS.reshape(3, -1)))
    np.testing.assert_array_equal(found, (LOGITS.reshape(3, -1)[..., None] > -SHIFTS[::-1]).sum(-1))


def test_the_fast_ranking_gives_the_same_shifts_to_the_bit() -> None:
    logits = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)).half().float()
    logits[3] -= 9
    assert torch.equal(shift_of_ranked(ranked_on_cpu(logits)), expected_iou_shift(logits))
    assert expected_iou_shift(logits).shape == (4, 1, 1, 1)
