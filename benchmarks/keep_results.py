"""`python -m benchmarks.keep_results LISTS...`: committed results from those that this project's runs wrote."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.layout.places import METRICS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES, scope_path, stage_address
from prn_pipeline.sweep.committed_results import COMMITTED_LOCK, RESULTS
from prn_pipeline.sweep.dvc_lock import read_lock

#: Names of a run: data set, base model, refiner, seed.
Names = tuple[str, str, str, int]


def keep_scores(project: Path, runs: Iterable[Names]) -> list[Names]:
    """Copy the scores of these runs, where there are any, to the committed results; the runs that were copied.

    Raises:
        UserError: scores of another schema; they are not copied.
    """
    kept = []
    for run in runs:
        below = f"{scope_path('run', _named(run))}.json"
        source, target = project / METRICS / below, project / RESULTS / below
        if source.is_file():
            read_scores(source)
            with atomic_write(target) as temporary:
                shutil.copy(source, temporary)
            kept.append(run)
    return kept


def keep_lock(project: Path, runs: Iterable[Names]) -> None:
    """Copy what dvc.lock records of these runs' stages into the committed lock; other stages there stay."""
    made, kept = read_lock(project / "dvc.lock"), read_lock(project / COMMITTED_LOCK)
    for run in runs:
        for stage in SCOPE_OF:
            address = stage_address(stage, _named(run))
            if address in made:
                kept[address] = made[address]
    if kept:
        text = yaml.safe_dump({"schema": "2.0", "stages": dict(sorted(kept.items()))}, sort_keys=False)
        with atomic_write(project / COMMITTED_LOCK) as temporary:
            temporary.write_text(text)


def runs_of(lists: dict[str, Any]) -> list[Names]:
    """Every combination of four lists."""
    keys = ("datasets", "base_models", "refiners", "seeds")
    return list(itertools.product(*(lists[key] for key in keys)))


def _named(run: Names) -> dict[str, Any]:
    return dict(zip(SCOPES["run"], run, strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Keep the runs of the lists in these files."""
    files = sys.argv[1:] if arguments is None else arguments
    for file in files:
        runs = runs_of(yaml.safe_load(Path(file).read_text()))
        kept = keep_scores(Path(), runs)
        keep_lock(Path(), kept)
        print(f"{file}: {len(kept)} of {len(runs)} runs kept in {RESULTS}")


if __name__ == "__main__":
    main()
