"""`prn curve` in a project: what it says before there are maps, what it writes, and what a killed call leaves."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from benchmarks.small_project import SMALL, merged
from prn_pipeline.commands import prn
from tests.integration.conftest import run_pipelines

BASE = "synthetic_roads/unet_resnet18_small"
#: 12 images to learn from, and refiners that are fitted in a second.
OWN: dict[str, Any] = {
    "datasets": {
        "synthetic_roads": {"split": {"method": "ratio", "val": 0.5, "test": 0.2}, "synthetic": {"count": 24}}
    },
    "refiners": {
        "trees": {"trees": 10, "pixels": 2000},
        "fine_tune": {"training": {"epochs": 1, "steps_per_epoch": 2}},
    },
}


@pytest.fixture
def small(project: Path) -> Path:
    """A project whose configuration files have `SMALL` and `OWN`."""
    wanted = merged(SMALL, OWN)
    for file in (project / "conf" / "base").glob("parameters_*.yml"):
        settings = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(merged(settings, {key: wanted[key] for key in settings if key in wanted})))
    return project


def curve(*arguments: str) -> Result:
    return CliRunner().invoke(prn, ["curve", *arguments], catch_exceptions=False)


@pytest.mark.long
def test_a_curve_is_refused_without_maps_then_measured_and_put_into_the_report(small: Path) -> None:
    missing = curve()
    assert missing.exit_code == 1
    assert missing.output == (
        "Error: there are no stored maps of base model 'unet_resnet18_small' on data set 'synthetic_roads', seed 0"
        " (samples, manifest, logits, map_manifest, pseudo_labels missing): run kedro run --pipelines"
        " ingestion,base_training,logit_caching,pseudo_labelling --params"
        " dataset=synthetic_roads,base_model=unet_resnet18_small,seed=0 first\n"
    )
    assert not (small / "data/08_reporting").exists()

    run_pipelines(small, **OWN)
    arguments = ("--sizes", "3,6,100", "--draws", "2", "--refiner", "trees")
    done = curve(*arguments, "--refiner", "fine_tune")
    assert done.exit_code == 0, done.output
    folder = small / f"data/08_reporting/{BASE}/seed-0"
    found = json.loads((folder / "label_curve.json").read_text())
    assert {name: [size["size"] for size in one["sizes"]] for name, one in found["refiners"].items()} == {
        "trees": [3, 6],
        "fine_tune": [3, 6],
    }
    assert found["left_out"] == {"100": "leaves 0 of 12 groups to measure on, 4 are needed"}
    assert len(pd.read_csv(folder / "label_curve.csv")) == 4
    assert (folder / "label_curve.png").read_bytes().startswith(b"\x89PNG")
    for text in ("50 more add", "Not measured at 100 images", f"data/08_reporting/{BASE}/seed-0/label_curve.json"):
        assert text in done.output
    assert not list((small / "data/06_models/checkpoints").iterdir())

    run_pipelines(small, ["reporting"], **OWN)
    report = (small / f"data/08_reporting/{BASE}/prn/seed-0/report.html").read_text()
    assert 'id="labels"' in report
    assert "fine_tune" in report

    assert curve(*arguments).output.count("done before") == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sizes", "5,many"], "Invalid value for '--sizes': '5,many': expected numbers of images such as 5,10,20"),
        (["--sizes", "0"], "expected numbers of images"),
        (["--draws", "0"], "0 is not in the range x>=1"),
        (["--refiner", "prm"], "unknown refiner 'prm'"),
        (["--refiner", "trees", "--refiner", "prm"], "unknown refiner 'prm'"),
        (["--dataset", "synthetic_road"], "unknown dataset 'synthetic_road'"),
        (["--base-model", "external", "--refiner", "fine_tune"], "has maps only and no network"),
        (["--base-model", "external"], "there are no stored maps of base model 'external'"),
        (["--base-model", "external", "--params", "refiners.prn.inputs=[tta]"], "refiner 'prn' reads tta"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_message(arguments: list[str], said: str) -> None:
    refused = curve(*arguments)
    assert refused.exit_code in (1, 2)
    assert said in refused.output
    assert refused.output.count("Error: ") == 1


@pytest.mark.long
def test_a_killed_call_leaves_whole_files_and_the_next_one_continues(small: Path) -> None:
    run_pipelines(small, ["ingestion", "base_training", "logit_caching", "pseudo_labelling"], **OWN)
    command = [sys.executable, "-c", "from prn_pipeline.commands import prn; prn()", "curve", "--refiner", "prn"]
    command += ["--sizes", "4,8", "--draws", "2", "--params", "prn_training.epochs=12"]
    folder = small / f"data/08_reporting/{BASE}/seed-0"

    def finished() -> int:
        return len(list((folder / "label_curve").glob("prn-*.parquet")))

    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        before = finished()
        started = subprocess.Popen(command, cwd=small, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while finished() == before and started.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        started.send_signal(number)
        _, errors = started.communicate(timeout=60)
        assert started.returncode == code, errors
        assert ("the next start continues" in errors) is (number == signal.SIGTERM)
        assert errors.count("done before") == before
        assert not (folder / "label_curve.json").exists()
    before = finished()
    assert 2 <= before < 4
    done = subprocess.run(command, cwd=small, capture_output=True, text=True, check=True)
    assert done.stderr.count("done before") == before
    assert (folder / "label_curve.json").is_file()
