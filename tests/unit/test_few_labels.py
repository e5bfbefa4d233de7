"""The measurement with few labelled images: its commands, what it keeps, and its part of the results page."""

import json
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from benchmarks import few_labels
from benchmarks.few_labels import CASES, KEPT, TARGETS, TARGETS_OF, main, parameters_of
from benchmarks.few_labels_page import MARK, section, share_of_many, write_page
from benchmarks.stored_runs import all_names
from prn_pipeline.configuration.model_checks import check_base_network, check_inputs
from prn_pipeline.data.store.json_files import write_json
from tests.unit.test_parameters import load


def refiner(gain: float, sizes: Sequence[int] = (5, 50), **curve: float) -> dict[str, Any]:
    measured = [
        {
            "size": size,
            "seconds": 3.0,
            "vs_base": {"iou_micro": gain * size / sizes[-1], "ci95": [0.0, gain] if size > 5 else None},
            "vs_best_free": {"iou_micro": gain / 2, "ci95": [-gain, gain]},
        }
        for size in sizes
    ]
    return {"sizes": measured, "curve": curve or None}


CURVE: dict[str, Any] = {"dataset": "d", "base_model": "b", "labelled_images": 100, "groups": 90, "draws": 3}


def test_every_case_names_data_base_models_and_refiners_that_there_are() -> None:
    datasets = yaml.safe_load(Path("conf/base/parameters_datasets.yml").read_text())["datasets"]
    assert len({case.name for case in CASES}) == len(CASES) == 4
    for case in CASES:
        assert case.dataset in datasets
        assert set(case.refiners) <= set(all_names("refiners"))
        assert TARGETS_OF in case.refiners
        for name in case.refiners:
            parameters = load(dataset=case.dataset, base_model=case.base_model, refiner=name)
            assert parameters["run"]["names"]["refiner"] == name
            check_base_network(parameters)
            check_inputs(parameters)


def test_under_a_domain_shift_the_base_model_is_frozen() -> None:
    frozen = {case.name for case in CASES if parameters_of(case)}
    assert frozen == {"polyps_other_scope/unet_resnet18_small"}


def test_curves_of_other_targets_are_kept_beside_the_plain_ones_which_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(few_labels, "prepare", lambda *given: None)
    commands: list[list[str]] = []

    def prn_curve(command: list[str], check: bool) -> CompletedProcess[str]:
        commands.append(command)
        gain = 0.01 * len(commands)
        names = [command[place + 1] for place, part in enumerate(command) if part == "--refiner"]
        file = Path("data/08_reporting/drive_strong/wnet/seed-0/label_curve.json")
        write_json(file, CURVE | {"refiners": {name: refiner(gain) for name in names}})
        return CompletedProcess(command, 0)

    monkeypatch.setattr(few_labels.subprocess, "run", prn_curve)
    main(["maps", "--only", "drive_strong/wnet", "--out", "kept"])
    weights = [command[-1] for command in commands]
    assert weights == [f"refiners.{TARGETS_OF}.pseudo_label_weight={weight}" for weight in TARGETS.values()] + [""]
    kept = json.loads(Path("kept/drive_strong/wnet.json").read_text())
    gains = {name: one["sizes"][-1]["vs_base"]["iou_micro"] for name, one in kept["refiners"].items()}
    assert gains == {
        "bias_field": 0.03,
        "prn": 0.03,
        "trees": 0.03,
        "bias_field, true masks alone": 0.01,
        "bias_field, nine tenths pseudo-labels": 0.02,
    }
    assert not (tmp_path / KEPT).exists()


def test_chosen_refiners_are_measured_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured: list[tuple[str, ...]] = []
    monkeypatch.setattr(few_labels, "prepare", lambda *given: None)
    monkeypatch.setattr(
        few_labels, "_curve", lambda case, names, *given: measured.append(tuple(names)) or CURVE | {"refiners": {}}
    )
    main(["maps", "--only", "drive_strong/wnet", "--refiner", "trees", "--out", str(tmp_path)])
    assert measured == [("trees",)]
    main(["maps", "--only", "drive_strong/wnet", "--refiner", "fine_tune", "--out", str(tmp_path)])
    assert measured == [("trees",)], "fine_tune is not of this case"


@pytest.mark.parametrize("wrong", [("--refiner", "treees"), ("--only", "drive_strong/wnett")])
def test_a_mistyped_name_is_refused_with_the_known_ones(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["maps", *wrong])
    assert f"{wrong[1]!r} (choose from" in capsys.readouterr().err


def test_a_failed_curve_ends_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_labels, "prepare", lambda *given: None)
    monkeypatch.setattr(few_labels.subprocess, "run", lambda command, check: CompletedProcess(command, 1))
    with pytest.raises(SystemExit, match=r"prn curve failed for ecssd_strong/isnet_512"):
        main(["maps", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_the_page_has_a_row_per_refiner_and_a_column_per_size(tmp_path: Path) -> None:
    found = {"a": refiner(0.04, limit=0.05, drop=0.1, exponent=1.0), "b": refiner(-0.02, sizes=(50,))}
    found["b"]["sizes"][0]["full_correction"] = {"iou_micro": 0.03, "ci95": [0.01, 0.05]}
    write_json(tmp_path / "results/d/b.json", CURVE | {"refiners": found})
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- {MARK}: begin -->\nold\n<!-- {MARK}: end -->\nafter\n")
    write_page(page, tmp_path / "results")
    assert page.read_text().splitlines() == [
        "before",
        f"<!-- {MARK}: begin -->",
        "`b` on `d`, 100 labelled images in 90 groups, 3 draws:",
        "",
        "| refiner | 5 | 50 | over best free, most | 10 of 100 | s |",
        "|---|---|---|---|---|---|",
        "| a | +0.4 – | +4.0 [0.0, 4.0] | +2.0 [−4.0, 4.0] | 82 % | 3 |",
        "| b |  | −2.0 [0.0, −2.0] | −1.0 [2.0, −2.0] |  | 3 |",
        "| its whole correction |  | +3.0 [1.0, 5.0] |  |  |  |",
        f"<!-- {MARK}: end -->",
        "after",
    ]


def test_no_share_is_shown_of_a_gain_that_there_is_not() -> None:
    assert share_of_many(refiner(0.0, limit=0.0, drop=0.1, exponent=0.5)) == ""
    assert share_of_many(refiner(0.04, limit=0.04, drop=0.0, exponent=0.5)) == "100 %"


def test_nothing_is_measured_yet_is_said(tmp_path: Path) -> None:
    assert section(tmp_path) == "Not measured yet."
