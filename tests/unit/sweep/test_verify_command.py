"""`prn verify` prints what differs, and its exit code says whether scores do."""

import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from prn_pipeline.commands import prn
from prn_pipeline.commands.verify import MAX_LISTED, print_verification
from prn_pipeline.sweep import verify as verify_module
from prn_pipeline.sweep.verification import LockDifference, ScoreDifference
from prn_pipeline.sweep.verify import Verification

PROJECT = Path(__file__).resolve().parents[3]
RUN = "synthetic_roads/unet_resnet18_small/prn/seed-0"
SCORE = ScoreDifference("gain.vs_base.iou_micro", 0.1, 0.3)
LOCK = LockDifference("base_training", "dependency", "src/training", "changed", ("src/training/loop.py",))


def printed(found: Verification) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_verification(found, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_agreement_is_printed() -> None:
    text = printed(Verification([], [], recorded=True))
    assert "All scores agree to the last digit." in text
    assert "All recorded hashes agree" in text


def test_differing_scores_are_a_table_and_the_first_difference_of_the_lock_is_named() -> None:
    text = printed(Verification([SCORE], [LOCK], recorded=True))
    assert "gain.vs_base.iou_micro  0.1        0.3  0.2" in text
    assert "1 score differs" in text
    first = "base_training: dependency src/training (changed): src/training/loop.py"
    assert f"First difference from the committed dvc.lock: {first}" in text


def test_long_lists_are_cut_and_a_missing_record_is_mentioned() -> None:
    text = printed(Verification([SCORE] * (MAX_LISTED + 3), [], recorded=False))
    assert text.count("gain.vs_base") == MAX_LISTED
    assert "... and 3 more" in text
    assert "has no record of this run" in text


@pytest.mark.parametrize(("scores", "code"), [([], 0), ([SCORE], 1)])
def test_the_exit_code_depends_on_the_scores_alone(
    scores: list[ScoreDifference], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verified(*_: Any, **__: Any) -> Verification:
        return Verification(scores, [LOCK], recorded=True)

    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(verify_module, "verify", verified)
    assert CliRunner().invoke(prn, ["verify", RUN]).exit_code == code


def test_an_unknown_run_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    done = CliRunner().invoke(prn, ["verify", RUN.replace("prn", "prm")])
    assert done.exit_code == 2
    assert f"did you mean {RUN}?" in done.output
