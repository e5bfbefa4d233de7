"""`python -m benchmarks.transfer`: a refiner that was trained on one base model's maps, on another's.

Refiners of runs that have been run, on the test images: nothing is trained or chosen here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.results_page import PAGE, replace_mark
from benchmarks.situations import SITUATIONS, Scores, over_base, over_best_free
from benchmarks.stored_runs import DATA, counts_of, open_refiner, open_samples
from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.metrics.bootstrap import Gain, paired_gain
from prn_pipeline.refinement import FixedThreshold
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.sweep.committed_results import RESULTS

MARK, SITUATION = "transfer", "trained-out"
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


def section(found: Mapping[str, Gain], runs: Sequence[Scores], bases: Sequence[str]) -> str:
    """Markdown: a row for each base model that another one's refiner was used on, gains in points over that model.

    Args:
        found: gains by `dataset/refiner/trained on/used on`.
        runs: those of the base models, which know the best free method.
        bases: names of base models, in order.
    """
    free = {(run["dataset"], run["base_model"]): run for run in runs}
    rows = []
    for (dataset, used_on), trained_on in itertools.product(free, bases):
        keys = [f"{dataset}/{refiner}/{of}/{used_on}" for refiner in REFINERS for of in (used_on, trained_on)]
        if trained_on != used_on and all(key in found for key in keys):
            run = free[dataset, used_on]
            method = comparison.method(run["gain"][BEST_FREE]["method"]).short_label
            best = f"{over_base(run) - over_best_free(run):+.1f} {method}"
            gains = [_shown(found[key]) for key in keys]
            rows.append([f"`{dataset}`", f"`{used_on}`", f"`{trained_on}`", best, *gains])
    if not rows:
        return "Not measured yet."
    refiners = [f"{whose} `{refiner}`" for refiner in REFINERS for whose in ("its own", "the other's")]
    heads = ["data set", "base model", "the other", "best free method", *refiners]
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)])


def _shown(gain: Gain) -> str:
    low, high = (100 * end for end in gain["ci95"])
    return f"{100 * gain['iou_micro']:+.1f} [{low:+.1f}, {high:+.1f}]"


def main() -> None:
    """Measure what is missing in `FOUND`, then put the table into the page."""
    (trained_out,) = (situation for situation in SITUATIONS if situation.mark == SITUATION)
    (config,) = trained_out.lists
    found = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    datasets, bases = config["datasets"], config["base_models"]
    for dataset, refiner, *pair in itertools.product(datasets, REFINERS, bases, bases):
        key = "/".join((dataset, refiner, *pair))
        trained = [DATA / "06_models" / dataset / base / refiner / f"seed-{SEED}/refiner.json" for base in pair]
        if key not in found and all(file.is_file() for file in trained):
            found[key] = measure(dataset, refiner, *pair)
            FOUND.write_text(json.dumps(found, indent=2) + "\n")
            print(key, _shown(found[key]), flush=True)
    replace_mark(PAGE, MARK, section(found, trained_out.runs(RESULTS), bases))
    print(PAGE)


if __name__ == "__main__":
    main()
