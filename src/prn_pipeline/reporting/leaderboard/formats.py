"""The leaderboard as a table: data frame, Markdown, terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from prn_pipeline.reporting.labels import label_or_name
from prn_pipeline.reporting.leaderboard.estimates import Estimate
from prn_pipeline.reporting.leaderboard.standings import Standing
from prn_pipeline.reporting.wording import MISSING, fixed

#: Column of the page, of Markdown and of the terminal -> what it holds.
COLUMNS = {
    "seeds": "number of seeds that were run; with one, the interval ignores randomness in training",
    "IoU": "IoU micro: mean over seeds ± half of its 95 % interval over images, and over seeds where there are several",
    "vs best free": "a refiner's gain, in points of IoU micro, over the best method without training on this test set",
    "vs base": "gain over the base model in points of IoU micro",
    "worse %": "share of test images whose IoU is below the base model's",
    "parameters": "of the base model; of a refiner, those that it adds",
    "GFLOP": "per image; of a refiner, what it adds, further passes of the base model included",
    "ms": "per image, on the machine that measured it; of a refiner, what it adds; * measured under load",
}

#: Mark of milliseconds that were measured while other processes wanted the same processors.
LOADED = "*"
#: Columns that only a wide terminal shows.
FOR_WIDE = ("seeds", "parameters", "GFLOP", "ms")
#: Characters of a wide terminal.
WIDE = 118


def frame(standings: Sequence[Standing]) -> pd.DataFrame:
    """All numbers, one row per standing; IoU as a fraction, gains in points."""
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
            "best_free": one.best_free,
            "best_free_gain_points": 100 * one.best_free_gain.mean,
            "best_free_gain_points_low": 100 * one.best_free_gain.low,
            "best_free_gain_points_high": 100 * one.best_free_gain.high,
            "gain_points": 100 * one.gain.mean,
            "gain_points_low": 100 * one.gain.low,
            "gain_points_high": 100 * one.gain.high,
            "images_worse_percent": one.images_worse,
            "parameters": one.parameters,
            "gflop": one.gflop,
            "milliseconds": one.milliseconds,
            "under_load": one.under_load,
            "base_predicts": one.constant_base,
            "maps_doubted": one.doubted_maps,
            "base_still_improving": bool(one.improving_seeds),
        }
        for one in standings
    )


def texts(one: Standing) -> list[str]:
    """A standing's numbers as text, in the order of `COLUMNS`."""
    return [
        str(len(one.seeds)),
        plus_minus(one.iou),
        points(one.best_free_gain),
        points(one.gain),
        fixed(one.images_worse, 0),
        rounded(one.parameters),
        fixed(one.gflop, 2),
        fixed(one.milliseconds, 1) + LOADED * (one.under_load and not math.isnan(one.milliseconds)),
    ]


def plus_minus(estimate: Estimate, digits: int = 3, signed: bool = False) -> str:
    """A mean and half of its interval, which is symmetric; or a dash."""
    if math.isnan(estimate.mean):
        return MISSING
    return f"{fixed(estimate.mean, digits, signed)} ± {fixed(estimate.high - estimate.mean, digits)}"


def points(gain: Estimate) -> str:
    """A gain in points, in the same form."""
    return plus_minus(Estimate(*(100 * value for value in gain)), digits=1, signed=True)


def rounded(count: float) -> str:
    """A large number as "58 k" or "1.5 M"; a dash where it is unknown."""
    if math.isnan(count):
        return MISSING
    return f"{count:.0f}" if count < 1000 else f"{count / 1e3:.0f} k" if count < 999_500 else f"{count / 1e6:.1f} M"


def markdown(standings: Sequence[Standing]) -> str:
    """A GitHub table, one row per standing."""
    head = ["data set", "base model", "method", *COLUMNS]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * 3 + "---:|" * len(COLUMNS)]
    for one in standings:
        name = f"**{label_or_name(one.method)}**" if one.kind == "refined" else label_or_name(one.method)
        lines.append(f"| {' | '.join([f'`{one.dataset}`', f'`{one.base_model}`', name, *texts(one)])} |")
    return "\n".join(lines) + "\n"


def terminal(standings: Sequence[Standing], width: int = WIDE, best: str | None = None) -> Group:
    """One rich table per data set and base model.

    Args:
        standings: to show.
        best: the method that the test of ranks supports as the best, which is green; None for no such method.
        width: of the terminal in characters; below `WIDE`, seeds and costs are left out.
    """
    shown = [number for number, name in enumerate(COLUMNS) if width >= WIDE or name not in FOR_WIDE]
    groups: dict[tuple[str, str], list[Standing]] = {}
    for one in standings:
        groups.setdefault((one.dataset, one.base_model), []).append(one)
    parts: list[Text | Table] = []
    for (dataset, base_model), of_group in groups.items():
        table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False)
        table.add_column("", min_width=20)  # long names wrap, so that no number is cut off
        for number in shown:
            table.add_column(list(COLUMNS)[number], justify="right", no_wrap=True)
        for one in of_group:
            style = "green" if one.method == best else "dim italic" if one.kind == "bound" else ""
            values = texts(one)
            table.add_row(label_or_name(one.method), *(values[number] for number in shown), style=style)
        parts += [Text.assemble((dataset, "bold"), f"  {base_model}", (f"  {of_group[0].images} images", "dim")), table]
    return Group(*parts)
