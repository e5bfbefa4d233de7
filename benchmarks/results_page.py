"""`python -m benchmarks.results_page`: docs/results.md from the committed scores of all runs.

What each method reaches, what a refiner gains, and which goals are met.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.scores_file import BEST_FREE, read_scores
from prn_pipeline.sweep.committed_results import RESULTS

Scores = dict[str, Any]

PAGE = Path("docs/results.md")
#: The same runs on another kind of machine.
REPEATED = RESULTS / "h200"
LONGER = Path("benchmarks/lists/longer_training.yml")
UNTUNED = Path("benchmarks/lists/untuned.yml")
#: Lists of the runs that goals are about, and of the runs beside them.
LISTS = (Path("benchmarks/lists/six_data_sets.yml"), Path("benchmarks/lists/paper_protocol.yml"))

#: Key of the refiner in the scores JSON, whichever refiner it is.
(REFINED,) = comparison.names("refined")
#: The baselines that the goals were set against; the best of all is a column of its own.
GOAL_BASELINES = ("tuned_threshold", "rankseg")
#: The refiner that the goals are about.
MAIN = "prn"
KEYS = ("datasets", "base_models", "refiners", "seeds")
#: Mark on the page -> folder of its scores, list of its runs, and the refiner that it is about.
SECTIONS = {
    "runs": (RESULTS, LISTS[0], MAIN),
    "untuned": (RESULTS, UNTUNED, MAIN),
    "repeated": (REPEATED, LISTS[0], MAIN),
    "longer": (REPEATED, LONGER, MAIN),
    "paper": (RESULTS, LISTS[1], "prn_paper"),
}


def read_runs(folder: Path, lists: Sequence[dict[str, Any]]) -> list[Scores]:
    """Scores of the runs that `lists` name, where there are any."""
    files = [
        folder / dataset / base / refiner / f"seed-{seed}.json"
        for one in lists
        for dataset, base, refiner, seed in itertools.product(*(one[key] for key in KEYS))
    ]
    return [read_scores(file) for file in files if file.is_file()]


def read_lists() -> list[dict[str, Any]]:
    """The lists of `LISTS`."""
    return [yaml.safe_load(file.read_text()) for file in LISTS]


def refiners_of(lists: Sequence[dict[str, Any]]) -> list[str]:
    """All refiners, each once, in order."""
    return list(dict.fromkeys(name for one in lists for name in one["refiners"]))


def goal_baseline_gain(scores: Scores) -> float:
    """Points of iou_micro over the better of `GOAL_BASELINES`."""
    methods = scores["methods"]
    return 100 * (methods[REFINED]["iou_micro"] - max(methods[name]["iou_micro"] for name in GOAL_BASELINES))


def best_free_gain(scores: Scores) -> float:
    """Points of iou_micro over the best method that needs no training, TTA included."""
    return 100 * float(scores["gain"][BEST_FREE]["iou_micro"])


def goals(runs: list[Scores]) -> list[tuple[str, str, bool]]:
    """(goal, found, met) over the runs of one refiner."""
    gains = np.array([100 * run["gain"]["vs_base"]["iou_micro"] for run in runs])
    low = np.array([run["gain"]["vs_base"]["ci95"][0] for run in runs])
    baselines = np.array([goal_baseline_gain(run) for run in runs])
    macro = np.array(
        [100 * (run["methods"][REFINED]["iou_macro"] - run["methods"]["base"]["iou_macro"]) for run in runs]
    )
    above = 100 * np.mean(low > 0)
    worst, fallen = gains.min(), int((macro < 0).sum())
    return [
        (
            "mean gain over the base model, at least +3.0",
            f"{gains.mean():+.2f}, median {np.median(gains):+.2f}",
            bool(gains.mean() >= 3),
        ),
        (
            "mean gain over the better of tuned threshold and RankSEG, at least +1.5",
            f"{baselines.mean():+.2f}, median {np.median(baselines):+.2f}",
            bool(baselines.mean() >= 1.5),
        ),
        ("interval above zero in 80 % of runs", f"{above:.0f} %", bool(above >= 80)),
        ("no run below the base model by more than 0.2", f"worst {worst:+.2f}", bool(worst >= -0.2)),
        ("iou_macro does not fall", f"mean {macro.mean():+.2f}, falls in {fallen} of {len(runs)}", fallen == 0),
    ]


def runs_table(runs: list[Scores], refiners: Iterable[str], main: str) -> list[str]:
    """Markdown: one row per data set, base model and seed; iou_micro of every method, gains of `main` in points."""
    refiners = [name for name in refiners if any(run["refiner"] == name for run in runs)]
    measured = {name for run in runs for name in run["methods"]}
    free = [name for name in comparison.names("base", "baseline") if name in measured]
    head = ["data set", "base model", "seed", "test", *(comparison.method(name).short_label for name in free)]
    head += [f"**{name}**" if name == main else name for name in refiners]
    head += ["oracle", f"`{main}` vs base", "vs tuned, RankSEG", "vs best free", "worse %"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    by_group: dict[tuple[Any, ...], dict[str, Scores]] = {}
    for run in runs:
        by_group.setdefault((run["dataset"], run["base_model"], run["seed"]), {})[run["refiner"]] = run
    for (dataset, base_model, seed), of_refiner in by_group.items():
        any_run = next(iter(of_refiner.values()))
        methods = any_run["methods"]
        row = [f"`{dataset}`", f"`{base_model}`", str(seed), str(any_run["n_test"])]
        row += [f"{methods[name]['iou_micro']:.3f}" if name in methods else "" for name in free]
        for name in refiners:
            found = f"{of_refiner[name]['methods'][REFINED]['iou_micro']:.3f}" if name in of_refiner else ""
            row.append(f"**{found}**" if name == main and found else found)
        row.append(f"{methods['patch_oracle']['iou_micro']:.3f}")
        if main in of_refiner:
            gain = of_refiner[main]["gain"]
            low, high = (100 * end for end in gain["vs_base"]["ci95"])
            row += [
                f"{100 * gain['vs_base']['iou_micro']:+.1f} [{low:+.1f}, {high:+.1f}]",
                f"{goal_baseline_gain(of_refiner[main]):+.1f}",
                f"{best_free_gain(of_refiner[main]):+.1f}",
                f"{gain['images_worse_pct']:.0f}",
            ]
        else:
            row += [""] * 4
        lines.append(f"| {' | '.join(row)} |")
    return lines


def summary_table(runs: list[Scores], refiners: Iterable[str]) -> list[str]:
    """Markdown: one row per refiner, its mean gain over all runs and over those of each base model."""
    bases = sorted({run["base_model"] for run in runs})
    head = [
        "refiner",
        "runs",
        "mean gain vs base",
        *(f"`{base}`" for base in bases),
        "vs tuned, RankSEG",
        "vs best free",
        "above zero",
    ]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name in refiners:
        own = [run for run in runs if run["refiner"] == name]
        if not own:
            continue
        gain = {id(run): 100 * run["gain"]["vs_base"]["iou_micro"] for run in own}
        row = [f"`{name}`", str(len(own)), f"{np.mean(list(gain.values())):+.2f}"]
        for base in bases:
            values = [gain[id(run)] for run in own if run["base_model"] == base]
            row.append(f"{np.mean(values):+.2f}" if values else "")
        row.append(f"{np.mean([goal_baseline_gain(run) for run in own]):+.2f}")
        row.append(f"{np.mean([best_free_gain(run) for run in own]):+.2f}")
        row.append(f"{sum(run['gain']['vs_base']['ci95'][0] > 0 for run in own)} of {len(own)}")
        lines.append(f"| {' | '.join(row)} |")
    return lines


def section(runs: list[Scores], lists: Sequence[dict[str, Any]], main: str = MAIN) -> str:
    """All tables of the refiner `main` and of those beside it."""
    of_main = [run for run in runs if run["refiner"] == main]
    wanted = sum(
        math.prod(len(one[key]) for key in KEYS if key != "refiners") for one in lists if main in one["refiners"]
    )
    lines = [f"{len(of_main)} of {wanted} runs of `{main}` are done.", ""]
    if of_main and main == MAIN:
        lines += ["| goal | found | |", "|---|---|---|"]
        lines += [f"| {goal} | {found} | {'met' if met else '**missed**'} |" for goal, found, met in goals(of_main)]
        lines += [""]
    if runs:
        lines += [*summary_table(runs, refiners_of(lists)), "", *runs_table(runs, refiners_of(lists), main)]
    return "\n".join(lines).rstrip()


def write_page(page: Path, folder: Path, lists: Sequence[dict[str, Any]], mark: str = "runs", main: str = MAIN) -> None:
    """Replace the text between the two marks of the page."""
    text = section(read_runs(folder, lists), lists, main)
    replace_between(page, f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->", text)


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace the lines of a page between two marks.

    Raises:
        ValueError: the page lacks them.
    """
    old = page.read_text()
    if begin not in old or end not in old:
        raise ValueError(f"{page} has no lines {begin} and {end}: put them where the tables belong")
    before, rest = old.split(begin, 1)
    _, after = rest.split(end, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    """Write every section of the page."""
    for mark, (folder, file, refiner) in SECTIONS.items():
        write_page(PAGE, folder, [yaml.safe_load(file.read_text())], mark, refiner)
    print(PAGE)


if __name__ == "__main__":
    main()
