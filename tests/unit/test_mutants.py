"""Mutation testing draws from the code as it is, and reports what mutmut found."""

import json
from pathlib import Path

import libcst as cst
import pytest
from mutmut.mutation.file_mutation import create_mutations

from benchmarks import mutants
from tests.unit.test_parameters import PROJECT

CODE = '''"""A module."""
import logging
from functools import cache

logger = logging.getLogger(__name__)
LIMIT = 3


def above(value):
    if value > LIMIT + 1:
        raise ValueError("too large", value)
    logger.info("fine: %s", value)
    return value


class Counter:
    start = 1

    def add(self, number):
        return self.start + number

    @property
    def twice(self):
        return 2 * self.start


@cache
def constant():
    return 1
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose room metrics has one file."""
    file = tmp_path / mutants.SOURCE / "metrics" / "some.py"
    file.parent.mkdir(parents=True)
    file.write_text(CODE)
    (tmp_path / "pyproject.toml").write_text("[tool.mutmut]\nsource_paths = ['src']\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_mutants_are_those_of_functions_and_those_of_messages_are_known(project: Path) -> None:
    found = mutants.mutants_of(mutants.SOURCE / "metrics" / "some.py")
    assert {mutant.name.rpartition("__mutmut_")[0] for mutant in found} == {
        "prn_pipeline.metrics.some.x_above",
        "prn_pipeline.metrics.some.xǁCounterǁadd",
    }
    assert len({mutant.name for mutant in found}) == len(found)
    by_message = [sum(mutant.message is of for mutant in found if "x_above" in mutant.name) for of in (True, False)]
    assert by_message[0] > 5, "the words and arguments of the exception and of the log line"
    assert by_message[1] == 3, "the comparison, the sum and its number"


IDLE = """
from typing import cast

def pairs(a, b):
    return [x for x, y in zip(a, cast("float", b), strict=True)]
"""


def test_what_no_run_can_show_is_known(project: Path) -> None:
    file = mutants.SOURCE / "metrics" / "idle.py"
    file.write_text(IDLE)
    changes = {mutant.name: mutant for mutant in mutants.mutants_of(file)}
    _, found, _, _ = create_mutations(str(file), IDLE)
    module = cst.Module([])
    changed = {name: module.code_for_node(one.mutated_node) for name, one in zip(changes, found, strict=True)}
    idle = {changed[name] for name, mutant in changes.items() if mutant.idle}
    assert idle == {
        *('zip(a, cast("float", b), strict=None)', 'zip(a, cast("float", b), )', "False"),
        *("cast(None, b)", '"XXfloatXX"', '"FLOAT"'),
    }
    assert set(changed.values()) - idle == {
        *('zip(None, cast("float", b), strict=True)', "zip(a, None, strict=True)"),
        *('zip(cast("float", b), strict=True)', "zip(a, strict=True)"),
        *('cast("float", None)', "cast(b)", 'cast("float", )'),
    }
    assert not set(mutants.draw(["metrics"], 100, seed=0)) & {name for name, mutant in changes.items() if mutant.idle}


def test_a_draw_depends_on_its_seed_only_and_leaves_messages_out(project: Path) -> None:
    everything = mutants.draw(["metrics"], 100, seed=0)
    assert len(everything) == 4
    assert mutants.draw(["metrics"], 2, seed=1) == mutants.draw(["metrics"], 2, seed=1)
    assert {tuple(mutants.draw(["metrics"], 2, seed)) for seed in range(20)} != {tuple(everything[:2])}
    assert mutants.draw(["stages"], 2, seed=1) == []


def test_the_score_counts_what_matters(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Noticed: killed or without end. Mutants without tests survive, and known equivalents do not matter."""
    codes = {"killed": 1, "timeout": 36, "survived": 0, "no_tests": 33, "equivalent": 0}
    names = {f"prn_pipeline.{'stages' if key == 'killed' else 'metrics'}.a.x_{key}__mutmut_1": key for key in codes}
    file = project / mutants.COPY / "src" / "a.py.meta"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"exit_code_by_key": {name: codes[key] for name, key in names.items()}}))
    monkeypatch.setattr(mutants, "change_of", lambda name: (f"diff of {name}", names[name], "changed"))
    monkeypatch.setattr(mutants, "equivalents", lambda: {("equivalent", "changed"): "both are zero"})
    assert mutants.report(list(names)) == pytest.approx(2 / 4)
    printed = capsys.readouterr().out
    assert "| stages | 1 | 1 | 0 | 0 | 100 % |" in printed
    assert "| metrics | 4 | 1 | 2 | 1 | 33 % |" in printed
    assert "| all | 5 | 2 | 2 | 1 | 50 % |" in printed
    assert "equivalent (both are zero)\ndiff of" in printed
    assert printed.count("survived\ndiff of") == 2


def test_known_equivalents_each_say_why() -> None:
    entries = mutants.equivalents()
    assert all(before != after for before, after in entries)
    assert [why for why in entries.values() if len(why) < 10] == []


def test_an_unknown_room_stops_before_anything_is_mutated() -> None:
    with pytest.raises(SystemExit):
        mutants.main(["metric"])


def test_the_rooms_are_those_that_mutmut_may_mutate_and_exist() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    assert [f'"src/prn_pipeline/{room}/*"' in text for room in mutants.ROOMS] == [True] * len(mutants.ROOMS)
    assert [(PROJECT / mutants.SOURCE / room).is_dir() for room in mutants.ROOMS] == [True] * len(mutants.ROOMS)
