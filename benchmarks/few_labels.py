"""`python -m benchmarks.few_labels MAPS`: gains with 3 to 90 labelled images, strong models and a domain shift.

`prn curve` measures every case of `CASES`; its refiners learn from drawn images alone and are measured on others, never
on test. The bias field is measured with other targets too: true masks alone, and pseudo-labels almost alone. MAPS is
the folder of strong models' maps (see `strong_models`). An interrupted call continues. Then docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.domain_shift import FROZEN
from benchmarks.few_labels_page import write_page
from benchmarks.run_once import DATA, PAGE, SHARED, kedro, maps_folder
from benchmarks.shifted_data import SHIFTED, make_shifted
from benchmarks.strong_models import STRONG, link_strong
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import REPORTS
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.sweep.committed_results import RESULTS

RAW = DATA / "01_raw"
KEPT = RESULTS / "few_labels"
DRAWS, SEED = 3, 0
REFINERS = ("bias_field", "prn", "trees")
#: The refiner whose targets are compared, and its weight of pseudo-labels beside a weight of 1 of true masks.
TARGETS_OF = "bias_field"
TARGETS = {"true masks alone": 0.0, "nine tenths pseudo-labels": 9.0}


class Case(NamedTuple):
    """A base model's maps on a data set, and what is measured on them."""

    dataset: str
    base_model: str
    sizes: tuple[int, ...]
    refiners: tuple[str, ...] = REFINERS

    @property
    def name(self) -> str:
        """Path of its result, without suffix."""
        return f"{self.dataset}/{self.base_model}"


CASES = (
    Case("ecssd_strong", "isnet_512", (5, 10, 20, 50, 90)),
    Case("ecssd_strong", "isnet_1024", (5, 10, 20, 50, 90)),
    Case("drive_strong", "wnet", (3, 4, 6)),
    Case("polyps_other_scope", "unet_resnet18_small", (5, 10, 20, 50), (*REFINERS, "fine_tune")),
)


def prepare(case: Case, root: Path, maps: Path) -> None:
    """The data set in data/01_raw, and the stored maps of the base model.

    Raises:
        UserError: files are missing, or a stage failed.
    """
    if case.dataset in STRONG:
        link_strong(case.dataset, root, maps, RAW)
    if case.dataset in SHIFTED:
        make_shifted(case.dataset, root, RAW)
    if not maps_folder(case.dataset, case.base_model, SEED).is_dir() and not kedro(
        SHARED, case.dataset, case.base_model, SEED, extra=parameters_of(case)
    ):
        raise UserError(f"the base model's maps for {case.name} could not be made: the log above says why")


def parameters_of(case: Case) -> dict[str, str]:
    """Parameters of a case: under a domain shift the base model's training does not see the new domain."""
    return FROZEN if case.dataset in SHIFTED else {}


def measure(case: Case, sizes: Sequence[int], draws: int) -> dict[str, Any]:
    """The curves of a case; those of other targets first, so that the plain ones are what reports show.

    Raises:
        UserError: `prn curve` failed.
    """
    weight = f"refiners.{TARGETS_OF}.pseudo_label_weight"
    others = {
        f"{TARGETS_OF}, {label}": _curve(case, [TARGETS_OF], sizes, draws, {weight: str(value)})
        for label, value in TARGETS.items()
        if TARGETS_OF in case.refiners
    }
    found = _curve(case, case.refiners, sizes, draws, {})
    of_targets = {label: curve["refiners"][TARGETS_OF] for label, curve in others.items()}
    return found | {"refiners": found["refiners"] | of_targets}


def _curve(
    case: Case, refiners: Sequence[str], sizes: Sequence[int], draws: int, extra: Mapping[str, str]
) -> dict[str, Any]:
    parameters = {**parameters_of(case), **extra}
    command = ["prn", "curve", "--dataset", case.dataset, "--base-model", case.base_model, "--seed", str(SEED)]
    command += [argument for refiner in refiners for argument in ("--refiner", refiner)]
    command += ["--sizes", ",".join(map(str, sizes)), "--draws", str(draws)]
    command += ["--params", ",".join(f"{key}={value}" for key, value in parameters.items())]
    print(" ".join(command), flush=True)
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"prn curve failed for {case.name}: see above; the same command continues")
    names = {"dataset": case.dataset, "base_model": case.base_model, "seed": SEED}
    return read_json(REPORTS / scope_path("base", names) / "label_curve.json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_labels", description=__doc__)
    parser.add_argument("maps", type=Path, help="folder of the maps of strong models")
    cases = [case.name for case in CASES]
    known = sorted({name for case in CASES for name in case.refiners})
    parser.add_argument("--only", action="append", choices=cases, metavar="CASE", help=", ".join(cases))
    parser.add_argument("--refiner", action="append", choices=known, metavar="REFINER", help=", ".join(known))
    parser.add_argument("--sizes", type=int, nargs="+", help="other numbers of images, to try the list")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=KEPT, help="folder of the results; the page shows the default one")
    options = parser.parse_args(arguments)
    root = Path(os.environ.pop("PRN_DATA_ROOT", RAW))
    try:
        for one in CASES:
            if options.only and one.name not in options.only:
                continue
            wanted = options.refiner or one.refiners
            case = one._replace(refiners=tuple(name for name in one.refiners if name in wanted))
            if not case.refiners:
                continue
            prepare(case, root, options.maps)
            found = measure(case, options.sizes or case.sizes, options.draws)
            file = options.out / f"{case.name}.json"
            write_json(file, found)
            print(f"{file}: {json.dumps(list(found['refiners']))}", flush=True)
        if options.out == KEPT:
            write_page(PAGE, KEPT)
            print(PAGE)
    except (UserError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
