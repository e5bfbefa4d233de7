"""The part of docs/results.md on domain shift."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_page import replace_between
from benchmarks.shifted_data import SHIFTED

#: Stages whose seconds are what a method costs to train. "fine_tuning" is in scores from before it was a refiner: its
#: last training alone, without the choice of a learning rate that "prn_training" includes.
TRAINING = ("prn_training", "fine_tuning")
#: Where the data sets are made.
RAW = Path("data/01_raw")
BEGIN, END = "<!-- domain-shift: begin -->", "<!-- domain-shift: end -->"


def section(folder: Path, methods: Sequence[str], base_model: str, seeds: Iterable[int]) -> str:
    """Markdown: one row per data set and seed, with each method's gain over the frozen base model and its cost."""
    head = ["data set", "seed", "labelled", "test", "frozen base", *(f"`{name}`" for name in methods)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    gains: dict[str, list[float]] = {name: [] for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for seed in seeds:
        for dataset in SHIFTED:
            files = {name: folder / dataset / base_model / name / f"seed-{seed}.json" for name in methods}
            found = {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}
            if not found:
                continue
            any_scores = next(iter(found.values()))
            labelled = next(
                (str(scores["n_val"]) for scores in found.values() if "n_val" in scores), _labelled(dataset)
            )
            base = any_scores["methods"]["base"]["iou_micro"]
            row = [f"`{dataset}`", str(seed), labelled, str(any_scores["n_test"]), f"{base:.3f}"]
            for name in methods:
                row.append(_gain(found[name]) if name in found else "")
                if name in found:
                    gains[name].append(100 * found[name]["gain"]["vs_base"]["iou_micro"])
                    seconds[name].append(_training_seconds(found[name]))
            lines.append(f"| {' | '.join(row)} |")
    if not any(gains.values()):
        return "Not measured yet."
    for label, of_method, form in (("mean gain", gains, "{:+.1f}"), ("seconds of training", seconds, "{:.0f}")):
        means = [form.format(np.mean(of_method[name])) if of_method[name] else "" for name in methods]
        lines.append(f"| {' | '.join([label, '', '', '', '', *means])} |")
    return "\n".join(lines)


def write_page(page: Path, folder: Path, methods: Sequence[str], base_model: str, seeds: Iterable[int]) -> None:
    """Replace what lies between the two marks of the page."""
    replace_between(page, BEGIN, END, section(folder, methods, base_model, seeds))


def _labelled(dataset: str) -> str:
    """Number of labelled images of the new domain, where the data set has been made on this machine."""
    splits = RAW / dataset / "splits.csv"
    return str(sum(row.endswith(",val") for row in splits.read_text().split())) if splits.is_file() else ""


def _gain(scores: dict[str, Any]) -> str:
    gain = scores["gain"]["vs_base"]
    low, high = (100 * end for end in gain["ci95"])
    return f"{100 * gain['iou_micro']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _training_seconds(scores: dict[str, Any]) -> float:
    return float(sum(scores["seconds"].get(stage, 0.0) for stage in TRAINING))
