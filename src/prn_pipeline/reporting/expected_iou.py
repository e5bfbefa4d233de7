"""How well the IoU of a single mask can be told without its truth, as a note for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prn_pipeline.reporting.wording import fixed


def expected_iou_note(found: Mapping[str, Any]) -> str:
    """The note.

    Args:
        found: `estimate` (the fields of `metrics.map_quality.expected_iou.ExpectedIou`, or None) and `reason`; empty
            for a run of an earlier version.
    """
    if not found:
        return ""
    estimate = found["estimate"]
    if estimate is None:
        return f"prn refine gives no expected IoU of single masks: {found['reason']}."
    groups = f" in {estimate['units']} groups" if estimate["units"] < estimate["images"] else ""
    return (
        "prn refine gives the expected IoU of each mask, judged from its maps. On"
        f" {estimate['images']} held-out images{groups} it is off by {fixed(estimate['error'], 3)} on average (the"
        f" plain mean by {fixed(estimate['error_of_mean'], 3)}), its rank correlation with the true IoU is"
        f" {fixed(estimate['rank_correlation'], 2)}, and the fifth that it expects to be worst holds"
        f" {fixed(100 * estimate['worst_found'], 0)} % of the truly worst tenth. Test images had no part in this."
    )
