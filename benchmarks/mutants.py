"""Mutation testing: does some test fail where the code is changed?

`python -m benchmarks.mutants [room ...] [--sample 200] [--seed 0] [--every]` draws mutants of the rooms at random, runs
for each the tests that reach its function, prints the score and shows the survivors. mutmut mutates a copy of the
project, the folder `mutants/`; the code itself is never touched. Its settings are in pyproject.toml.

A sample leaves out what only changes the text of a message: arguments of exceptions and of log lines. It leaves out
what no run can show either: `strict` of `zip`, a check of the code's own equal lengths, and the type that `cast` tells
the type checker. Decorated functions (numba kernels, properties), and what runs at import, are never mutated.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import libcst as cst
import libcst.matchers as m
import yaml
from mutmut.mutation.file_mutation import create_mutations, mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

SOURCE = Path("src/prn_pipeline")
COPY = Path("mutants")
ROOMS = ("refinement", "metrics", "stages", "promotion", "serving")
#: Mutants that behave like the code; see the file.
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.yml")
#: What counts as noticed. A mutant that runs forever is noticed by whoever waits.
NOTICED = ("killed", "timeout", "segfault", "suspicious")
#: Code whose arguments are text for people.
MESSAGES = m.Raise() | m.Call(func=m.Attribute(value=m.Name("logger")))
#: Calls some of whose arguments do nothing in a correct program; see `_effective`.
ZIP, CAST = m.Call(func=m.Name("zip")), m.Call(func=m.Name("cast"))


class Mutant(NamedTuple):
    """One change of one function.

    Attributes:
        name: as mutmut knows it.
        message: whether it changes a message only.
        idle: whether no run can show it.
    """

    name: str
    message: bool
    idle: bool


def mutants_of(file: Path) -> list[Mutant]:
    """All mutants of a file, in order.

    Args:
        file: path relative to the project.
    """
    code = file.read_text(encoding="utf-8")
    module, mutations, _, _ = create_mutations(str(file), code)
    inside = {id(node) for found in m.findall(module, MESSAGES) for node in _walk(found)}
    idle = {id(node) for call in m.findall(module, ZIP | CAST) for node in _walk_idle(call)}
    in_functions = [one for one in mutations if isinstance(one.contained_by_top_level_function, cst.FunctionDef)]
    names = mutate_file_contents(str(file), code).mutant_names
    return [
        Mutant(
            get_mutant_name(file, name),
            id(mutation.original_node) in inside,
            id(mutation.original_node) in idle or _does_the_same(mutation.original_node, mutation.mutated_node),
        )
        for name, mutation in zip(names, in_functions, strict=True)
    ]


def _effective(call: cst.CSTNode) -> list[cst.Arg]:
    """Arguments that matter: all but `strict` of `zip`, and all but the type of `cast`."""
    assert isinstance(call, cst.Call)
    if m.matches(call, CAST):
        return list(call.args[1:])
    return [arg for arg in call.args if arg.keyword is None or arg.keyword.value != "strict"]


def _does_the_same(original: cst.CSTNode, mutated: cst.CSTNode) -> bool:
    """Whether both are calls of `zip`, or of `cast`, that differ in arguments without effect only."""
    if not any(m.matches(original, call) and m.matches(mutated, call) for call in (ZIP, CAST)):
        return False
    before, after = (
        [cst.Module([]).code_for_node(arg.value) for arg in _effective(one)] for one in (original, mutated)
    )
    return before == after


def _walk_idle(call: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Everything within the arguments of a call that have no effect."""
    assert isinstance(call, cst.Call)
    effective = {id(arg) for arg in _effective(call)}
    for arg in call.args:
        if id(arg) not in effective:
            yield from _walk(arg)


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def draw(rooms: Sequence[str], sample: int, seed: int) -> list[str]:
    """Names of `sample` mutants of the rooms, or of all if there are fewer."""
    files = sorted(file for room in rooms for file in (SOURCE / room).rglob("*.py"))
    names = [mutant.name for file in files for mutant in mutants_of(file) if not mutant.message | mutant.idle]
    return sorted(random.Random(seed).sample(names, min(sample, len(names))))


def outcomes() -> dict[str, str]:
    """Outcome of every mutant that has been run: "killed", "survived", "no tests", "timeout" ..."""
    found: dict[str, str] = {}
    for file in sorted(COPY.rglob("*.py.meta")):
        codes = json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
        found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    return found


def change_of(name: str) -> tuple[str, str, str]:
    """(diff, lines that were removed, lines that were added) of a mutant."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "#"))]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return "\n".join(lines), before, after


def equivalents() -> dict[tuple[str, str], str]:
    """(lines before, lines after) -> why nothing changes."""
    entries = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8"))
    return {(entry["before"], entry["after"]): entry["why"] for entry in entries}


def report(names: Sequence[str]) -> float:
    """Print outcomes by room and the survivors; return the share of the mutants that matter that were noticed."""
    found, known = outcomes(), equivalents()
    by_room: dict[str, Counter[str]] = {}
    for name in names:
        outcome = found[name]
        if outcome not in NOTICED:
            diff, before, after = change_of(name)
            why = known.get((before, after))
            outcome = "survived" if why is None else "equivalent"
            print(f"\n{name}: {outcome}{f' ({why})' if why else ''}\n{diff}")
        by_room.setdefault(name.split(".")[1], Counter())[outcome] += 1
    total: Counter[str] = sum(by_room.values(), Counter())
    print("\n| room | mutants | noticed | survived | equivalent | score |\n|---|---:|---:|---:|---:|---:|")
    for room, counts in [*by_room.items(), ("all", total)]:
        noticed = sum(counts[outcome] for outcome in NOTICED)
        cells = (counts.total(), noticed, counts["survived"], counts["equivalent"], f"{100 * _score(counts):.0f} %")
        print(f"| {room} | {' | '.join(map(str, cells))} |")
    return _score(total)


def _score(counts: Counter[str]) -> float:
    noticed = sum(counts[outcome] for outcome in NOTICED)
    return noticed / max(noticed + counts["survived"], 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, run, report; exits with 1 if fewer than `--least` of the mutants that matter are noticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=ROOMS, help=f"of {', '.join(ROOMS)}; all by default")
    parser.add_argument("--sample", type=int, default=200, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time")
    parser.add_argument("--least", type=float, default=0.9, help="share that has to be noticed")
    options = parser.parse_args(arguments)
    if unknown := [room for room in options.rooms if room not in ROOMS]:
        parser.error(f"no room {', '.join(unknown)}; there are {', '.join(ROOMS)}")
    names = draw(options.rooms, options.sample, options.seed)
    run = [sys.executable, "-m", "mutmut", "run", "--max-children", str(options.jobs), *names]
    if subprocess.run(run, check=False).returncode:
        sys.exit("mutmut stopped; the tests have to pass before anything is mutated")
    if report(names) < options.least:
        sys.exit(f"fewer than {options.least:.0%} of the mutants that matter were noticed")


if __name__ == "__main__":
    main()
