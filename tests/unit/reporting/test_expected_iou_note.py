"""What the report says of the expected IoU of single masks."""

from prn_pipeline.reporting.expected_iou import expected_iou_note
from prn_pipeline.reporting.inputs import ReportInputs
from prn_pipeline.reporting.report import render_report

ESTIMATE = {"images": 97, "units": 97, "error": 0.075, "error_of_mean": 0.1595}
ESTIMATE |= {"rank_correlation": 0.84, "worst_found": 0.9}
RUN = {"dataset": "d", "base_model": "b", "refiner": "r", "seed": 0}


def page(expected_iou: dict[str, object]) -> str:
    return render_report(ReportInputs(RUN, {}, expected_iou=expected_iou)).html


def test_the_error_of_the_estimate_is_in_the_report() -> None:
    note = expected_iou_note({"estimate": ESTIMATE, "reason": ""})
    assert "On 97 held-out images it is off by 0.075 on average (the plain mean by 0.160)" in note
    assert "rank correlation with the true IoU is 0.84" in note
    assert "holds 90 % of the truly worst tenth" in note
    assert note.replace(" %", "\N{NO-BREAK SPACE}%") in page({"estimate": ESTIMATE, "reason": ""})


def test_groups_are_named_where_there_are_fewer_of_them() -> None:
    assert "97 held-out images in 12 groups it" in expected_iou_note({"estimate": ESTIMATE | {"units": 12}})


def test_the_reason_why_there_is_none_is_in_the_report() -> None:
    note = expected_iou_note({"estimate": None, "reason": "6 held-out images are too few"})
    assert note == "prn refine gives no expected IoU of single masks: 6 held-out images are too few."
    assert note in page({"estimate": None, "reason": "6 held-out images are too few"})


def test_runs_of_earlier_versions_have_no_note() -> None:
    assert expected_iou_note({}) == ""
    assert "expected IoU" not in page({})
