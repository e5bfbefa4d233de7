"""`python -m benchmarks.transfer`: a refiner that was trained on one base model's maps, on another's.

Refiners of runs that have been run, on the test images: nothing is trained or chosen here.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from benchmarks.results_page import PAGE, replace_mark
from benchmarks.situations import of_lists
from benchmarks.stored_runs import DATA, counts_of, open_refiner, open_samples
from prn_pipeline.metrics.bootstrap import Gain, paired_gain
from prn_pipeline.refinement import FixedThreshold
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble

MARK = "transfer"
FOUND = Path("benchmarks/results/transfer.json")
REFINERS = ("prn", "trees")
SEED, RESAMPLES = 0, 2000


def measure(dataset: str, refiner: str, trained_on: str, used_on: str) -> Gain:
    """Gain over base model `used_on`, with interval, of the refiner of base model `trained_on`."""
    network = open_refiner(dataset, trained_on, refiner, SEED)
    assert isinstance(network, FoldEnsemble)
    samples = open_samples(dataset, used_on, SEED)
    rows = samples.rows(["test"])
    base = counts_of(FixedThreshold(), samples, rows, ("logits",))
    return paired_gain(counts_of(network, samples, rows, network.arrays), base, RESAMPLES, SEED)


def section(found: dict[str, dict[str, Any]], datasets: list[str], bases: list[str]) -> str:
    """Markdown: a row a data set and refiner, a column a pair of base models, gains in points."""
    pairs = list(itertools.product(bases, bases))
    head = [f"`{a}` on its own" if a == b else f"`{a}` on `{b}`" for a, b in pairs]
    if not found:
        return "Not measured yet."
    lines = ["| data set | refiner | " + " | ".join(head) + " |", "|" + "---|" * (2 + len(pairs))]
    for dataset, refiner in itertools.product(datasets, REFINERS):
        gains = [found.get("/".join((dataset, refiner, *pair))) for pair in pairs]
        if any(gains):
            lines.append(f"| `{dataset}` | `{refiner}` | " + " | ".join(map(_shown, gains)) + " |")
    return "\n".join(lines)


def _shown(gain: dict[str, Any] | None) -> str:
    if gain is None:
        return ""
    low, high = (100 * end for end in gain["ci95"])
    return f"{100 * gain['iou_micro']:+.1f} [{low:+.1f}, {high:+.1f}]"


def main() -> None:
    """Measure what is missing in `FOUND`, then put the table into the page."""
    (config,) = of_lists("trained_out")
    found = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    datasets, bases = config["datasets"], config["base_models"]
    for dataset, refiner, *pair in itertools.product(datasets, REFINERS, bases, bases):
        key = "/".join((dataset, refiner, *pair))
        trained = [DATA / "06_models" / dataset / base / refiner / f"seed-{SEED}/refiner.json" for base in pair]
        if key not in found and all(file.is_file() for file in trained):
            found[key] = measure(dataset, refiner, *pair)
            FOUND.write_text(json.dumps(found, indent=2) + "\n")
            print(key, _shown(found[key]), flush=True)
    replace_mark(PAGE, MARK, section(found, datasets, bases))
    print(PAGE)


if __name__ == "__main__":
    main()
