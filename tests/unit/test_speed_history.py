"""The history of measured ratios: what is recorded, what is judged, and the page made of it."""

import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import benchmarks.measured_again as measured_again_module
from benchmarks.__main__ import ratios
from benchmarks.bench_check import judge
from benchmarks.history import CODE, PROJECT, Circumstances, Entry, append, circumstances, entries, read, runs
from benchmarks.machine import kind_of_processor
from benchmarks.measured_again import measured_again, same_code
from benchmarks.report import Column, Table
from benchmarks.section_code import code_of
from benchmarks.speed_figure import draw
from benchmarks.speed_page import MARK, PAGE, PICTURE, section

QUIET = Entry("abc", False, "2026-01-01", "abacus", 0.2, "network/loop/inference", 4.0, 6)


def on(day: int, ratio: float, **changes: object) -> Entry:
    """The same ratio, measured on another day."""
    return replace(QUIET, date=f"2026-01-{day:02}", ratio=ratio, **changes)  # type: ignore[arg-type]


def test_every_row_with_a_ratio_is_an_entry_that_is_read_as_it_was_written(tmp_path: Path) -> None:
    of = Circumstances("abc", False, "2026-01-01", "abacus", 0.2)
    columns = (Column("what", "what"), Column("ratio", "ratio", ".1f"))
    rows = [{"what": "inference", "ratio": 4.0, "goal": 6}, {"what": "training"}, {"what": "labels", "ratio": 2.5}]
    tables = [Table("loop", "", columns, rows, ratio="ratio", named_by=("what",)), Table("none", "", columns, rows)]
    found = list(entries(of, {"network": tables}))
    assert found == [QUIET, replace(QUIET, name="network/loop/labels", ratio=2.5, goal=None)]
    file = tmp_path / "history.jsonl"
    append(found[:1], file)
    append(found[1:], file)
    assert read(file) == found
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == [one.name for one in found]
    assert [table.runs(row) for table in [ratios(found)] for row in table.rows] == [
        ["network/loop/inference", "4", "6", "no"],
        ["network/loop/labels", "2.5", "", ""],
    ]


def test_a_missing_history_is_empty_and_a_run_states_its_circumstances(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == []
    of = circumstances("2026-01-01", "abacus")
    assert of.load >= 0
    assert len(of.commit) == 40 or of.commit == "none"


def never(*_: object) -> list[dict[str, float]]:
    raise AssertionError("measured again")


def other_code(*_: object) -> bool:
    return False


def confirmed(*_: object) -> list[dict[str, float]]:
    """The earlier code twice as fast."""
    return [{QUIET.name: 2.0, "other": 2.0}, {QUIET.name: 1.0, "other": 1.0}]


def test_a_ratio_15_percent_below_the_median_of_earlier_runs_fails_with_all_numbers() -> None:
    history = [on(1, 3.0, commit="first"), on(2, 4.0, commit="second"), on(3, 9.0, commit="third")]
    asked = []

    def again(commits: list[str], sections: list[str]) -> list[dict[str, float]]:
        asked.append((commits, sections))
        return [{QUIET.name: 4.4}, {QUIET.name: 3.8}]

    sentences, failed = judge([*history, on(4, 3.4, commit="now")], again, other_code)
    assert failed
    assert sentences == [
        "network/loop/inference is 18% slower: the ratio is 3.4 now and was 4 before (median of 3 on abacus); 15% are"
        " allowed. Measured again, in turn with second it is 3.8, and 4.4 there: confirmed."
    ]
    assert asked == [(["second", "now"], ["network"])], "with the run that is the median"
    assert not judge([*history, on(4, 3.5)], never)[1]
    assert not judge([*history, on(4, 40.0)], never)[1]


def test_a_slower_machine_is_no_slower_code() -> None:
    history = [on(1, 4.0, commit="before"), on(2, 2.0, commit="now")]
    (sentence,), failed = judge(history, lambda *_: [{QUIET.name: 2.1}, {QUIET.name: 2.0}], other_code)
    assert not failed
    assert sentence.endswith("in turn with before it is 2, and 2.1 there: the code is not slower.")
    (sentence,), failed = judge(history, never, lambda *_: True)
    assert not failed
    assert sentence.endswith("Its code is that of before: the machine has changed.")


def test_what_cannot_be_measured_again_fails() -> None:
    def broken(*_: object) -> list[dict[str, float]]:
        raise subprocess.CalledProcessError(128, "git", stderr="first line\nfatal: not a tree object")

    sentences, failed = judge([on(1, 4.0), on(2, 2.0)], broken, other_code)
    assert failed
    assert sentences[-1] == "They could not be measured in turn with abc: fatal: not a tree object"
    (sentence,), failed = judge([on(1, 4.0), on(2, 2.0)], lambda *_: [{}, {QUIET.name: 2.0}], other_code)
    assert failed
    assert "could not be measured again" in sentence


def test_a_section_depends_on_the_kernels_that_it_measures_and_not_on_all_code() -> None:
    kernels, network = code_of("pseudo_labels"), code_of("network")
    assert {"benchmarks/pseudo_labels.py", "benchmarks/timing.py", "requirements.lock"} <= set(kernels)
    assert "src/prn_pipeline/refinement/pseudo_labels/histogram_kernel.py" in kernels
    assert "src/prn_pipeline/refinement/patch_refine_net/model.py" in network
    assert not any(file.startswith(("src/prn_pipeline/reporting/", "src/prn_pipeline/serving/")) for file in kernels)
    assert all((PROJECT / file).is_file() for file in (*kernels, *network))
    assert code_of("start_up") == code_of("gone") == CODE


def test_two_commits_are_measured_in_turn_and_the_best_of_each_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project whose benchmark writes the number of its commit, less one the first time."""
    project = tmp_path / "project"
    (project / "benchmarks").mkdir(parents=True)
    program = """
import json, sys
from pathlib import Path
where = Path(sys.argv[sys.argv.index("--history") + 1])
first = Path(__file__).with_name("ran")
ratio = {number} - (not first.exists())
first.touch()
entry = dict(commit="", dirty=False, date="", processor="", load=0, name=sys.argv[1] + "/x", ratio=ratio, goal=None)
where.write_text(json.dumps(entry))
"""

    def git(*words: str) -> str:
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (project / "benchmarks" / "__init__.py").touch()
    commits = []
    for number in (5, 3, 3):
        (project / "benchmarks" / "__main__.py").write_text(program.replace("{number}", str(number)))
        git("add", "-A")
        git("commit", "-q", "--allow-empty", "-m", "change")
        commits.append(git("rev-parse", "HEAD"))
    monkeypatch.setattr(measured_again_module, "PROJECT", project)
    assert measured_again(commits[:2], ["network"]) == [{"network/x": 5}, {"network/x": 3}]
    assert git("worktree", "list").count("\n") == 0, "nothing is left"
    asked = (commits[:2], commits[1:], ("none", commits[0]))
    assert [same_code(*two, "pseudo_labels") for two in asked] == [False, True, False]
    for file, changes in (("src/prn_pipeline/reporting/report.py", False), (code_of("pseudo_labels")[-6], True)):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("changed")
        git("add", "-A")
        git("commit", "-q", "-m", "change")
        assert same_code(commits[-1], "HEAD", "pseudo_labels") is not changes, file
        commits.append(git("rev-parse", "HEAD"))
    with pytest.raises(subprocess.CalledProcessError):
        measured_again(["none", commits[0]], ["network"])


@pytest.mark.parametrize(
    ("changes", "why"), [({"dirty": True}, "not committed"), ({"load": 1.2}, "busy (load average 1.2)")]
)
def test_a_run_of_changed_code_or_on_a_busy_machine_is_neither_judged_nor_compared_with(
    changes: dict[str, object], why: str
) -> None:
    (sentence,), failed = judge([on(1, 4.0), on(2, 1.0, **changes)], never)
    assert not failed
    assert "not judged" in sentence
    assert why in sentence
    assert judge([on(1, 4.0), on(2, 2.0, **changes), on(3, 2.0)], confirmed, other_code)[1]
    assert not judge([on(1, 9.0, **changes), on(2, 2.0)], never)[1]


def test_other_processors_and_other_ratios_are_not_compared_with() -> None:
    assert not judge([on(1, 9.0, processor="slate"), on(2, 9.0, name="other"), on(3, 1.0)], never)[1]
    assert judge([]) == (["No run is recorded yet: `make bench` records one."], False)


def test_the_table_has_the_newest_of_each_ratio_and_the_median_of_comparable_runs_before() -> None:
    history = [
        on(1, 3.0),
        on(2, 5.0),
        on(3, 99.0, load=7.0),
        on(4, 6.5, dirty=True),
        on(2, 8.0, name="other", goal=None),
    ]
    text = section(history)
    assert "| `network/loop/inference` | 6 | 4 | 6.5 * | yes | 2026-01-04 | abc | 0.2 |" in text
    assert "| `other` |  |  | 8 |  | 2026-01-02 | abc | 0.2 |" in text
    assert "not compared with other runs" in text
    assert "not compared with other runs" not in section(history[:2])
    assert [run[0].date for run in runs(history[:4])] == [one.date for one in history[:4]]
    assert section([]) == "Not measured yet."


def test_page_and_picture_show_the_committed_history() -> None:
    """`python -m benchmarks.speed_page` writes both again."""
    history = read()
    assert f"<!-- {MARK}: begin -->\n{section(history)}\n<!-- {MARK}: end -->" in PAGE.read_text()
    drawn, committed = imread(io.BytesIO(draw(history))), imread(PICTURE)
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 0.01
    faster = [replace(one, date="9999-01-01", ratio=3 * one.ratio) for one in history]
    other = imread(io.BytesIO(draw([*history, *faster])))
    assert other.shape != committed.shape or np.abs(other - committed).max() > 0.1


def test_the_picture_takes_any_number_of_ratios() -> None:
    many = [on(day, day, name=f"ratio {name}") for name in range(45) for day in (1, 2)]
    assert imread(io.BytesIO(draw(many))).std() > imread(io.BytesIO(draw(many[:2]))).std() > 0


@pytest.mark.parametrize(
    ("features", "kind"),
    [(["AVX512-BF16", "AVX512", "AVX2"], "abacus, AVX512-BF16"), (["AVX2"], "abacus, AVX2"), ([], "abacus")],
)
def test_processors_of_one_name_with_other_vector_extensions_are_of_another_kind(
    features: list[str], kind: str
) -> None:
    assert kind_of_processor({"cpu": "abacus", "cpu_features": features}) == kind
