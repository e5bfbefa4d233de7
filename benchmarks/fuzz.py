"""`python -m benchmarks.fuzz [COUNT]`: damages settings, parameters and own files in ways that leave them well-formed.

`benchmarks.bit_flips` asks whether damage is noticed. This asks whether what is noticed, and what is merely strange,
ends in a message for the user: every input is read, or refused with a UserError. Prints the rest, and exits with 1.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import io
import json
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from kedro.framework.startup import bootstrap_project

from benchmarks.stored_artefacts import SCORES, TABLE
from prn_pipeline.commands.user_errors import as_user_error
from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.configuration.config_loader import RunConfigLoader
from prn_pipeline.configuration.loader_arguments import LOADER_ARGS
from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.data.store.table_files import read_table, write_table
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import FAILURE, METRICS, REPORTS
from prn_pipeline.reporting.leaderboard import make_leaderboard, read_runs
from prn_pipeline.serving.journal import Journal
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.sweep.estimates import Estimates
from prn_pipeline.sweep.lists import read_lists, unknown_names

PROJECT = Path(__file__).resolve().parents[1]
#: Values that stand where another one is expected.
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        5,
        1e308,
        float("nan"),
        float("inf"),
        10**30,
        "",
        "x",
        "../../x",
        "a,b",
        "é",
        "\0",
        "9" * 5000,
    ),
    *(
        [],
        {},
        [[]],
        [1, "a", None],
        {"a": 1},
        {"": {}},
        {"a": {"b": {"c": 1}}},
        [{}],
        "${x}",
        "${",
        "${oc.env:NO_SUCH}",
    ),
    *(
        "${globals:x}",
        "${runtime_params:x}",
        "{x}",
        "{0.__class__}",
        "%s",
        "<b>",
        "1e400",
        "2018-01-01",
        "0x10",
        "null",
    ),
)
#: What replaces a part of a text file.
TEXTS = (
    *(
        b"\xe9",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"!!set {a, b}",
        b"!!python/object:os.system x",
        b"!!binary aGk=",
    ),
    *(b"&a [*a]", b"*b", b"<<: 1", b"${x}", b"${oc.env:NO}", b"- [", b"\t", b"%YAML 9", b"...", b"---\n---", b"? :"),
    *(
        b"!!timestamp 2018-01-01",
        b"2018-01-01",
        b"!!omap [a: 1]",
        b"{}",
        b"[]",
        b"null",
        b"0",
        b"'",
        b'"',
        b"[[[[[[[[[[",
    ),
)


class Case(NamedTuple):
    """One damaged input.

    Attributes:
        kind: of the input, for the table.
        what: the damage.
        read: reads it.
    """

    kind: str
    what: str
    read: Callable[[], Any]


def outcome(case: Case) -> str:
    """`read`, `refused`, or the error that a user would see as a traceback."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            case.read()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        found = as_user_error(error)
        if found is None:
            return f"{type(error).__name__}: {str(error)[:200]}"
        return "refused" if len(str(found)) < 20_000 else f"a message of {len(str(found))} characters"
    return "read"


@cache
def _parameters() -> dict[str, Any]:
    bootstrap_project(PROJECT)
    return {key: value for key, value in _loader(PROJECT / "conf")["parameters"].items() if key != "run"}


def _loader(conf: Path, **given: Any) -> RunConfigLoader:
    return RunConfigLoader(str(conf), env="base", runtime_params=given, **(LOADER_ARGS | {"default_run_env": "base"}))


def paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every node of a tree of dicts and lists."""
    if path:
        yield path
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield from paths(child, (*path, key))


def replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the tree with another value at a path; `...` removes it."""
    made = copy.deepcopy(tree)
    if not path:
        return value
    place = made
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    return made


def parameter_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """`kedro run --params`: any value at any key of the parameters."""
    del folder
    tree = _parameters()
    chosen = {"dataset": "datasets", "base_model": "base_models", "refiner": "refiners"}
    used = {library: tree[name] for name, library in chosen.items()}
    every = [path for path in paths(tree) if path[0] not in used or len(path) == 1 or path[1] == used[path[0]]]
    while True:
        path, value = draw.choice(every), draw.choice(VALUES)
        given: Any = copy.deepcopy(value)
        for key in reversed(path):
            given = {key: given}
        yield Case("parameter", f"{'.'.join(map(str, path))}={value!r:.80}", partial(_load, PROJECT, given))


def _load(project: Path, given: dict[Any, Any]) -> None:
    loader = _loader(project / "conf", **given)
    for key in ("parameters", "catalog", "mlflow"):
        try:
            loader[key]
        except KeyError as error:
            if key != "mlflow" or "No config patterns" not in str(error):  # its pattern comes with kedro-mlflow
                raise


def yaml_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """Files of conf/base: a piece of text in place of another one."""
    shutil.copytree(PROJECT / "conf/base", folder / "conf/base")
    files = sorted((folder / "conf/base").glob("*.yml"))
    while True:
        file, text = draw.choice(files), draw.choice(TEXTS)
        before = file.read_bytes()
        start = draw.randrange(len(before))
        end = min(len(before), start + draw.choice([0, 0, 1, 5, 40]))
        at_value = before.find(b": ", start)
        if draw.random() < 0.5 and at_value >= 0:  # in place of a whole value
            start, end = at_value + 2, len(before) if (end := before.find(b"\n", at_value)) < 0 else end
        damaged = before[:start] + text + (b"" if draw.random() < 0.1 else before[end:])
        yield Case("YAML", f"{file.name}: {text!r} at {start}", partial(_with, file, damaged, folder))
        file.write_bytes(before)


def _with(file: Path, content: bytes, folder: Path) -> None:
    file.write_bytes(content)
    _load(folder, {})
    lists = read_lists(folder)
    unknown_names(lists, folder)


def json_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """Own JSON files whose content is another one: hand-made, or of another version."""
    names = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
    scores = folder / METRICS / "roads/unet/prn/seed-0.json"
    failure = folder / REPORTS / "roads/unet/prn/seed-0" / FAILURE
    costs = folder / REPORTS / "roads/unet/seed-0/stage_costs.json"
    predictor = folder / "predictor.json"
    whole = SCORES | {"settings": {"base_model": "a", "refiner": "b"}, "seconds": {"ingestion": 1.0}, "guard": {"a": 1}}
    whole["methods"] = {name: of | {"images_worse_pct": 1.0, "vs_base": {}} for name, of in SCORES["methods"].items()}
    whole["gain"] = SCORES["gain"] | {"vs_best_free": {"method": "base", **SCORES["gain"]["vs_base"]}}
    kinds: list[tuple[Path, Any, Callable[[], Any]]] = [
        (scores, whole, partial(_scores, scores, names, folder)),
        (failure, {"stage": "evaluation", "message": "x", "at": "2020"}, lambda: _leaderboard(names, folder)),
        (costs, {"base_training": {"seconds": 1.0, "memory_mib": 5}}, lambda: Estimates(folder)),
        (predictor, {"image_size": 64, "drift": None}, lambda: _predictor(predictor)),
    ]
    while True:
        file, content, read = draw.choice(kinds)
        for one, *_ in kinds:
            one.unlink(missing_ok=True)
        value = draw.choice([*VALUES, ..., ...])
        path = draw.choice([(), *paths(content)])
        if value is ... and not path:
            continue
        changed = replaced(content, path, value)
        if draw.random() < 0.1:
            changed = replaced(changed, (), draw.choice(VALUES))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(changed))
        yield Case("JSON", f"{file.name}: {'.'.join(map(str, path))}={value!r:.80}", read)


def _scores(file: Path, names: dict[str, Any], folder: Path) -> None:
    _leaderboard(names, folder)
    read_scores(file)


def _leaderboard(names: dict[str, Any], folder: Path) -> None:
    make_leaderboard(read_runs([names], folder), folder, {})


def _predictor(file: Path) -> None:
    try:
        PredictorSettings.model_validate(read_json(file))
    except ValueError as error:  # as `serving.saved` does
        raise UserError(str(error)) from error


def journal_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """The journal of `prn refine`: lines of other JSON."""
    header: dict[str, Any] = {"model": "a", "options": {}}
    while True:
        lines = [json.dumps(header), *(json.dumps({"name": f"{n}.png", "source": [1, 2]}) for n in range(3))]
        value = draw.choice(VALUES)
        at = draw.randrange(len(lines))
        entry = {"name": "0.png", "source": [1, 2]}
        damaged = value if draw.random() < 0.5 else entry | {draw.choice(["name", "source"]): value}
        lines[at] = draw.choice([json.dumps(damaged), "[" * draw.choice([3, 100_000]), "\u2028", '"', "NaN"])
        (folder / ".refined.jsonl").write_bytes("\n".join([*lines, ""]).encode() + draw.choice([b"", b"", b"\xe9\n"]))
        yield Case("journal", f"line {at}: {lines[at]:.80}", lambda: _resume(folder, header))


def _resume(folder: Path, header: dict[str, Any]) -> None:
    journal = Journal(folder, header)
    journal.is_done("0.png", [])


def table_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """Parquet and CSV: halves, joined pieces, other bytes, files under another name."""
    for suffix in ("parquet", "csv"):
        write_table(folder / f"whole.{suffix}", TABLE)
    whole = {suffix: (folder / f"whole.{suffix}").read_bytes() for suffix in ("parquet", "csv")}
    while True:
        data, suffix = draw.choice(list(whole.values())), draw.choice(list(whole))
        cut = draw.randrange(len(data) + 1)
        change = draw.choice(["half", "twice", "text"])
        damaged = {"half": data[:cut], "twice": data[:cut] + data, "text": data[:cut] + draw.choice(TEXTS) + data[cut:]}
        file = folder / f"damaged.{suffix}"
        file.write_bytes(damaged[change])
        yield Case("table", f"{suffix}: {change} at {cut}", partial(read_table, file))


KINDS = (parameter_cases, yaml_cases, json_cases, journal_cases, table_cases)


def fuzz(kind: Callable[[random.Random, Path], Iterator[Case]], count: int, seed: int = 0) -> list[tuple[Case, str]]:
    """Cases of one kind and their outcomes."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        cases = kind(random.Random(seed), Path(folder))
        for _ in range(count):
            case = next(cases)
            found.append((case, outcome(case)))
    return found


def main(count: int) -> int:
    """Fuzz every kind; print a table of outcomes and every input that ends in a traceback; the exit code."""
    tracebacks = 0
    for kind in KINDS:
        found = fuzz(kind, count // len(KINDS))
        tally = collections.Counter(of if of in ("read", "refused") else "traceback" for _, of in found)
        tracebacks += tally["traceback"]
        print(f"{kind.__name__.removesuffix('_cases'):10} {dict(tally)}")
        shown: collections.Counter[str] = collections.Counter()
        for case, of in found:
            if of not in ("read", "refused") and (shown.update([of[:60]]) or shown[of[:60]] <= 2):
                print(f"    {case.what}\n        {of}")
    return 1 if tracebacks else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000))
