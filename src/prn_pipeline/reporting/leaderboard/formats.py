"""The leaderboard as a table of numbers: data frame, CSV, Markdown, terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from prn_pipeline.reporting.leaderboard.ranks import comparable_scores
from prn_pipeline.reporting.leaderboard.standings import Estimate, Standing
from prn_pipeline.reporting.wording import METHOD_LABELS, MISSING, fixed

#: Column of the page, of Markdown and of the terminal -> what it holds.
COLUMNS = {
    "seeds": "that were run: with one the intervals know nothing of chance in training",
    "IoU": "iou_micro, mean over seeds ± half of its 95 % interval over images, and over seeds where there are several",
    "vs base": "gain over the base model in points of iou_micro",
    "vs best rival": "a refiner's gain over the best of tuned threshold, RankSEG and tta",
    "worse %": "share of test images whose IoU is below the base model's",
    "parameters": "of the base model, and of what a refiner adds to it",
    "GFLOP": "an image, likewise; more passes of the base model included",
    "ms": "an image, on the machine that measured it, likewise",
}

#: What a narrow terminal does without.
FOR_WIDE = ("seeds", "parameters", "GFLOP", "ms")
#: Characters that a terminal needs to show them too.
WIDE = 118


def label(method: str) -> str:
    """What to call a method; refiners go by their own names."""
    return METHOD_LABELS.get(method, method)


def frame(standings: Sequence[Standing]) -> pd.DataFrame:
    """All numbers, a row a standing, IoU and gains in points where their names say so."""
    return pd.DataFrame(
        {
            "dataset": one.dataset,
            "base_model": one.base_model,
            "method": one.method,
            "kind": one.kind,
            "seeds": len(one.seeds),
            "test_images": one.images,
            "iou_micro": one.iou.mean,
            "iou_micro_low": one.iou.low,
            "iou_micro_high": one.iou.high,
            "gain_points": 100 * one.gain.mean,
            "gain_points_low": 100 * one.gain.low,
            "gain_points_high": 100 * one.gain.high,
            "best_rival": one.best_rival,
            "rival_gain_points": 100 * one.rival_gain.mean,
            "rival_gain_points_low": 100 * one.rival_gain.low,
            "rival_gain_points_high": 100 * one.rival_gain.high,
            "images_worse_percent": one.images_worse,
            "parameters": one.parameters,
            "gflop": one.gflop,
            "milliseconds": one.milliseconds,
        }
        for one in standings
    )


def runs(one: Standing) -> list[str]:
    """A standing's numbers as text, in the order of `COLUMNS`."""
    return [
        str(len(one.seeds)),
        plus_minus(one.iou),
        points(one.gain),
        points(one.rival_gain),
        fixed(one.images_worse, 0),
        rounded(one.parameters),
        fixed(one.gflop, 2),
        fixed(one.milliseconds, 1),
    ]


def plus_minus(estimate: Estimate, digits: int = 3, signed: bool = False) -> str:
    """A mean and half of its interval, which is symmetric; or a dash."""
    if math.isnan(estimate.mean):
        return MISSING
    return f"{fixed(estimate.mean, digits, signed)} ± {fixed(estimate.high - estimate.mean, digits)}"


def points(gain: Estimate) -> str:
    """A gain in points, likewise."""
    return plus_minus(Estimate(*(100 * value for value in gain)), digits=1, signed=True)


def rounded(count: float) -> str:
    """A large number as "58 k" or "1.5 M"; a dash where it is not known."""
    if math.isnan(count):
        return MISSING
    return f"{count:.0f}" if count < 1000 else f"{count / 1e3:.0f} k" if count < 999_500 else f"{count / 1e6:.1f} M"


def markdown(standings: Sequence[Standing]) -> str:
    """A GitHub table, a row a standing."""
    head = ["data set", "base model", "method", *COLUMNS]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * 3 + "---:|" * len(COLUMNS)]
    for one in standings:
        name = f"**{label(one.method)}**" if one.kind == "refiner" else label(one.method)
        lines.append(f"| {' | '.join([f'`{one.dataset}`', f'`{one.base_model}`', name, *runs(one)])} |")
    return "\n".join(lines) + "\n"


def terminal(standings: Sequence[Standing], width: int = WIDE) -> Group:
    """A rich table a data set and base model; the best method that does not see the truth stands out.

    Args:
        standings: to show.
        width: of the terminal in characters; a narrow one gets neither seeds nor costs.
    """
    shown = [number for number, name in enumerate(COLUMNS) if width >= WIDE or name not in FOR_WIDE]
    groups: dict[tuple[str, str], list[Standing]] = {}
    for one in standings:
        groups.setdefault((one.dataset, one.base_model), []).append(one)
    parts: list[Text | Table] = []
    for (dataset, base_model), of_group in groups.items():
        table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False)
        table.add_column("", no_wrap=True, min_width=20)
        for number in shown:
            table.add_column(list(COLUMNS)[number], justify="right", no_wrap=True)
        scores, _ = comparable_scores(
            [(dataset, base_model, one.method, one.iou_of_seed) for one in of_group if one.kind != "bound"]
        )
        best = max(scores[dataset], key=scores[dataset].__getitem__, default=None)
        for one in of_group:
            style = "green" if one.method == best else "dim italic" if one.kind == "bound" else ""
            values = runs(one)
            table.add_row(label(one.method), *(values[number] for number in shown), style=style)
        parts += [Text.assemble((dataset, "bold"), f"  {base_model}", (f"  {of_group[0].images} images", "dim")), table]
    return Group(*parts)
