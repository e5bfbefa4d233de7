"""How long commands take to start, and what a stage of DVC takes beside its own computing, on a small project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.utils.serialize import dumps_yaml, parse_yaml

from benchmarks.report import Column, Row, Table
from benchmarks.small_project import copy_project, make_small
from prn_pipeline.sweep.warm.commands import warm_commands

#: Command -> exit code, most seconds and most MiB that it should take.
COMMANDS = {
    "prn --help": (0, 0.5, 150),
    "prn plan": (0, 0.5, 150),
    "prn models": (0, 0.5, 150),
    "kedro run --params dataset=synthetic_raods": (1, 1.5, None),
}
STAGE, STAGE_GOAL = "ingestion", 2.0
#: Stages in dvc.lock after a benchmark of 72 runs over 12 base models.
RECORDED = 260
#: What the commands are compared with: the import of a library that every machine with this package has.
PLAIN = (sys.executable, "-c", "import pandas")
#: Runs its arguments with all their output on standard error, and writes what they took to standard output.
LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
pid = os.fork()
if pid == 0:
    os.dup2(2, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(json.dumps({
    "seconds": time.perf_counter() - start,
    "code": os.waitstatus_to_exitcode(status),
    "cpu": usage.ru_utime + usage.ru_stime,
    "mib": usage.ru_maxrss / 1024,
}))
"""


@dataclass(frozen=True)
class Started:
    """Wall-clock and processor seconds of a process with its children, and the peak of its memory in MiB."""

    seconds: float
    cpu: float
    mib: float


def run(quick: bool) -> list[Table]:
    """Measure every command, and a stage; the first command only where `quick`."""
    rounds = 1 if quick else 5
    commands = dict(list(COMMANDS.items())[:1]) if quick else COMMANDS
    table = Table(
        "commands",
        f"Start-up, fastest of {rounds}: against `import pandas`",
        (
            Column("command", "command"),
            Column("seconds", "s", ".2f"),
            Column("seconds_goal", "goal: s", ".1f"),
            Column("seconds_met", "met"),
            Column("cpu", "of the processor: s", ".2f"),
            Column("mib", "MiB", ".0f"),
            Column("mib_goal", "goal: MiB", ".0f"),
            Column("ratio", "ratio", ".2f"),
        ),
        notes=[
            f"{STAGE} in DVC: `dvc repro` of one stage, without the seconds that its nodes take (stage_costs.json);"
            " those of the processor include them.",
            f"{STAGE} in prn benchmark: the same in forks of processes that have imported everything. What they take of"
            " processor and memory cannot be seen from outside, so its ratio is one of seconds on the clock.",
            f"{RECORDED} stages recorded: dvc.lock has the records of as many, copies of that of {STAGE}.",
            "The ratio divides the processor's seconds of `import pandas` by those of the command: more is faster.",
        ],
        ratio="ratio",
        named_by=("command",),
    )
    with TemporaryDirectory() as place:
        folder = make_small(copy_project(Path(place) / "project"))
        environment = _environment()
        plain = _fastest(PLAIN, folder, environment, 0, rounds)
        for command, (code, goal, mib) in commands.items():
            words = [str(Path(sys.executable).with_name(command.split()[0])), *command.split()[1:]]
            found = _fastest(words, folder, environment, code, rounds)
            row: Row = {"command": command, "seconds": found.seconds, "cpu": found.cpu, "mib": found.mib}
            row |= {"seconds_goal": goal, "seconds_met": found.seconds <= goal, "mib_goal": mib}
            table.rows.append(row | {"ratio": plain.cpu / found.cpu})
        if not quick:
            cold = _stage(folder, environment, rounds)
            row = {"command": f"{STAGE} in DVC", "seconds": cold.seconds, "cpu": cold.cpu, "mib": cold.mib}
            table.rows.append(row | {"ratio": plain.cpu / cold.cpu})
            table.rows.append(_warm_row(f"{STAGE} in prn benchmark", folder, environment, plain, rounds))
            _record(folder, RECORDED)
            name = f"{STAGE} in prn benchmark, {RECORDED} stages recorded"
            table.rows.append(_warm_row(name, folder, environment, plain, rounds))
    return [table]


def _environment() -> dict[str, str]:
    """That of this process, with the commands beside its interpreter, and without its tracking server."""
    names = {"MLFLOW_TRACKING_URI", "PRN_DATA_ROOT", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return kept | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "PYTHONPATH": "src"}


def _stage(folder: Path, environment: Mapping[str, str], rounds: int) -> Started:
    """A stage through DVC, each time as if it had not run; the first time MLflow creates its database."""
    words = ["dvc", "repro", "--force", "--single-item"]
    words.append(f"{STAGE}@synthetic_roads")
    _started(words, folder, environment, 0)
    costs = folder / "data" / "08_reporting" / "synthetic_roads" / "stage_costs.json"
    found = []
    for _ in range(rounds):
        one = _started(words, folder, environment, 0)
        computing = float(json.loads(costs.read_text())[STAGE]["seconds"])
        found.append(Started(one.seconds - computing, one.cpu, one.mib))
    return Started(*(min(values) for values in zip(*((o.seconds, o.cpu, o.mib) for o in found), strict=True)))


def _warm_row(name: str, folder: Path, environment: Mapping[str, str], plain: Started, rounds: int) -> Row:
    with warm_commands(folder, environment) as forks:
        warm = _stage(folder, forks.environment, rounds)
    row: Row = {"command": name, "seconds": warm.seconds, "seconds_goal": STAGE_GOAL}
    return row | {"seconds_met": warm.seconds <= STAGE_GOAL, "ratio": plain.seconds / warm.seconds}


def _record(folder: Path, count: int) -> None:
    """Let dvc.lock look like that of a large benchmark, by records of other data sets."""
    lock = parse_yaml((folder / "dvc.lock").read_text(), "dvc.lock")
    record = lock["stages"][f"{STAGE}@synthetic_roads"]
    lock["stages"] |= {f"{STAGE}@roads_{number}": record for number in range(count - len(lock["stages"]))}
    (folder / "dvc.lock").write_text(dumps_yaml(json.loads(json.dumps(lock))))


def _fastest(words: Sequence[str], folder: Path, environment: Mapping[str, str], code: int, rounds: int) -> Started:
    """The least of each number, after a round that is not counted."""
    found = [_started(words, folder, environment, code) for _ in range(rounds + 1)][1:]
    return Started(min(o.seconds for o in found), min(o.cpu for o in found), min(o.mib for o in found))


def _started(words: Sequence[str], folder: Path, environment: Mapping[str, str], code: int) -> Started:
    """Run a command to its end, from a small process: the peak of a process counts that of the one that started it.

    Raises:
        AssertionError: it ends with another exit code, so that its time means nothing.
    """
    done = subprocess.run(
        [sys.executable, "-ISc", LAUNCHER, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    if found["code"] != code:
        raise AssertionError(f"{' '.join(words)} ended with {found['code']}, not {code}: {done.stderr}")
    return Started(found["seconds"], found["cpu"], found["mib"])
