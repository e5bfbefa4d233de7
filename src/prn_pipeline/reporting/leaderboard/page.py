"""The leaderboard as one HTML page that needs nothing else, and as CSV and Markdown."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prn_pipeline.data.store.spreadsheets import csv_text
from prn_pipeline.reporting.labels import label_or_name
from prn_pipeline.reporting.leaderboard.card_ranks import rank_card, rank_note
from prn_pipeline.reporting.leaderboard.finding import finding, finding_outcome
from prn_pipeline.reporting.leaderboard.formats import COLUMNS, frame, markdown, texts
from prn_pipeline.reporting.leaderboard.matrix import matrix
from prn_pipeline.reporting.leaderboard.mixed import mixed_settings
from prn_pipeline.reporting.leaderboard.ranks import Ranking, comparable_scores, rank_methods
from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun
from prn_pipeline.reporting.leaderboard.standings import Standing, standings
from prn_pipeline.reporting.leaderboard.warnings import warnings, with_enough_units, working
from prn_pipeline.reporting.report import TEMPLATES
from prn_pipeline.reporting.theme import DARK, LIGHT


@dataclass(frozen=True)
class Leaderboard:
    """A finished leaderboard: the texts of its files, and what they were made from.

    Attributes:
        unscored: runs that failed or were not run.
        mixed: what was averaged over runs of different settings; see `mixed_settings`.
        warnings: what makes the numbers worth less than they say; see `leaderboard.warnings`.
    """

    html: str
    csv: str
    markdown: str
    standings: Sequence[Standing]
    ranking: Ranking
    unscored: Sequence[BenchmarkRun]
    mixed: Sequence[str]
    warnings: Sequence[str] = ()


def make_leaderboard(runs: Sequence[BenchmarkRun], folder: Path, provenance: Mapping[str, str]) -> Leaderboard:
    """Compare all methods of a benchmark.

    Args:
        runs: finished, failed and missing runs.
        folder: where the page will be; links to reports are relative to it.
        provenance: commit, versions, date: label -> text.
    """
    found = standings(runs)
    judged = working(found)
    ranking = rank_methods(
        *comparable_scores([(s.dataset, s.base_model, s.method, s.iou_of_seed) for s in judged if s.kind != "bound"])
    )
    refiners = {one.method for one in found if one.kind == "refined"}
    claimed, warned = with_enough_units(judged), warnings(found)
    unscored = [run for run in runs if run.state != "done"]
    mixed, (matrix_refiners, matrix_rows) = mixed_settings(runs), matrix(found)
    html = TEMPLATES.get_template("leaderboard.html.j2").render(
        light=LIGHT,
        dark=DARK,
        headline=finding(claimed, ranking, broken=len(judged) < len(found), small=len(claimed) < len(judged)),
        outcome=finding_outcome(claimed),
        warnings=warned,
        key_numbers=key_numbers(runs, found),
        failed_runs=[run for run in unscored if run.failure],
        missing_runs=[run for run in unscored if not run.failure],
        mixed=mixed,
        rank_card=rank_card(ranking, refiners),
        rank_note=rank_note(ranking),
        matrix_refiners=matrix_refiners,
        matrix_rows=matrix_rows,
        columns=COLUMNS,
        rows=[_row(one, folder) for one in found],
        bounds=list(dict.fromkeys(label_or_name(one.method) for one in found if one.kind == "bound")),
        datasets=list(dict.fromkeys(one.dataset for one in found)),
        base_models=list(dict.fromkeys(one.base_model for one in found)),
        methods={one.method: label_or_name(one.method) for one in found},
        provenance=provenance,
    )
    return Leaderboard(html, csv_text(frame(found)), markdown(found), found, ranking, unscored, mixed, warned)


def key_numbers(runs: Sequence[BenchmarkRun], found: Sequence[Standing]) -> dict[str, str]:
    """The numbers under the headline: label -> value."""
    states = [run.state for run in runs]
    counts = [
        (len({one.dataset for one in found}), "data set", "data sets"),
        (len({one.base_model for one in found}), "base model", "base models"),
        (max((len(one.seeds) for one in found), default=0), "seed", "seeds"),
        *([(states.count("failed"), "run failed", "runs failed")] if "failed" in states else []),
    ]
    return {"runs with scores": f"{states.count('done')} of {len(states)}"} | {
        one if count == 1 else several: str(count) for count, one, several in counts
    }


def _row(one: Standing, folder: Path) -> dict[str, object]:
    """A table row: what each entry shows, and what it sorts by."""
    sort = [
        len(one.seeds),
        one.iou.mean,
        one.best_free_gain.mean,
        one.gain.mean,
        one.images_worse,
        one.parameters,
        one.gflop,
        one.milliseconds,
    ]
    reports = {seed: os.path.relpath(path, folder) for seed, path in (one.reports or {}).items()}
    return {
        "standing": one,
        "label": label_or_name(one.method),
        "entries": [
            {"text": text, "sort": "" if math.isnan(value) else repr(float(value))}
            for text, value in zip(texts(one), sort, strict=True)
        ],
        "reports": reports,
    }
