"""A slice of `make soak`: some attempts of every attack that takes seconds, and what it does with what it finds."""

import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks.soak.attack import Attack, attacked
from benchmarks.soak.attacks import ATTACKS
from benchmarks.soak.children import Command, DiedError, HangError, call
from benchmarks.soak.leftovers import leftovers
from benchmarks.soak.record import Attempt, Finding, Record
from benchmarks.soak.table import failures, table
from benchmarks.soak.world import World

#: Attempts of each attack; the others take minutes.
SLICE = {
    "strange inputs": 2,
    "bombs": 1,
    "flipped and lost": 2,
    "kills of prn refine": 1,
    "two writers of results": 1,
    "full disk, results": 1,
    "read-only results": 1,
    "clock jumps, results": 1,
}


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("soak"), images=6)


@pytest.mark.parametrize("name", SLICE)
def test_an_attack_finds_nothing(name: str, world: World) -> None:
    record = attacked(ATTACKS[name], world, seed=1, count=SLICE[name])
    if record.skipped:
        pytest.skip(record.skipped)
    assert record.attempts == SLICE[name]
    assert record.tries >= record.attempts, "an attempt without a kill shows nothing"
    assert record.failed == []


def test_findings_are_counted_and_say_how_to_repeat_them(world: World) -> None:
    drawn: list[float] = []

    def attempt(draw: object, folder: Path, world: World) -> Attempt:
        drawn.append(draw.random())  # type: ignore[attr-defined]
        return Attempt([Finding("leak", "a password")] if len(drawn) == 3 else [], tries=10)

    record = attacked(Attack("leaks", attempt, 1), world, seed=7, count=4)
    assert (record.attempts, record.tries, record.findings["leak"], record.found) == (4, 40, 1, True)
    assert "--attacks 'leaks' --seed 7 --attempt 2" in failures(record, 7)
    assert "| leaks | 4 | 40 | 0 | 1 | 0 | 0 |" in table([record])
    attacked(Attack("leaks", attempt, 1), world, seed=7, count=1, first=2)
    assert drawn[4] == drawn[2]
    assert len(set(drawn)) == 4


def test_an_attack_that_this_machine_cannot_do_is_shown_as_skipped(world: World) -> None:
    record = attacked(Attack("mounts", lambda *_: Attempt([]), 1, lambda: "no right to mount"), world, seed=0)
    assert (record.attempts, record.found) == (0, False)
    assert "| mounts | 0 | 0 | 0 | 0 | 0 | 0 | 0 | skipped: no right to mount |" in table([record])


@pytest.mark.parametrize(
    ("error", "kind"), [(HangError("no end"), "hang"), (DiedError("-9"), "traceback"), (KeyError("x"), "traceback")]
)
def test_an_attempt_that_does_not_end_well_is_a_finding(error: Exception, kind: str, world: World) -> None:
    def attempt(*_: object) -> Attempt:
        raise error

    record = attacked(Attack("errors", attempt, 1), world, seed=0, count=1)
    assert record.findings == {"mismatch": 0, "leak": 0, "traceback": 0, "hang": 0} | {kind: 1}
    assert list(world.folder.glob("errors-*")) == []


def test_what_does_not_end_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    with pytest.raises(HangError, match=r"no answer in 0 s"):
        call(time.sleep, 60, seconds=0.2)
    with pytest.raises(DiedError, match="-11"):
        call(_crash)
    command = Command(["sh", "-c", "sleep 61 & echo $! ; sleep 62"], tmp_path, tmp_path / "log")
    ended = command.kill_after(1.0)
    assert ended.code == -signal.SIGKILL
    (child,) = ended.output.split()
    time.sleep(0.1)
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_leftovers_are_found(tmp_path: Path) -> None:
    for name in ("data/06_models/checkpoints/x/last.ckpt", "a/.b.0-0-1.partial.zarr/c", "refined.csv", "data/.locks/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = ["a/.b.0-0-1.partial.zarr", "data/.locks/a", "data/06_models/checkpoints/x/last.ckpt"]
    assert leftovers(tmp_path) == [f"left behind: {name}" for name in names]


def test_a_record_without_findings_is_none() -> None:
    record = Record("x")
    record.add(0, Attempt([], 3, "kedro"), 1.5)
    assert (record.found, record.notes, record.as_json()["tries"]) == (False, {"kedro": 1}, 3)
