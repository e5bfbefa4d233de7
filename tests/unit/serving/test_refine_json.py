"""`prn refine --json`: one JSON object on standard output, and nothing else there."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prn_pipeline.commands import prn
from prn_pipeline.serving.predictor import Predictor


@pytest.fixture
def model(predictor: Predictor, tmp_path: Path) -> Path:
    predictor.save(tmp_path / "model")
    return tmp_path / "model"


def refined(images: Path, model: Path, *options: str) -> Result:
    arguments = ["refine", str(images), "--model", str(model), "--out", str(images.parent / "out"), *options]
    return CliRunner().invoke(prn, arguments, catch_exceptions=False)


def test_programs_read_what_refine_did(photos: Path, model: Path) -> None:
    done = refined(photos, model, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["images"], found["refined"], found["done_before"], found["failed"]) == (3, 3, 0, [])
    assert Path(found["table"]).is_file()
    assert Path(found["masks"]).is_dir()
    assert Path(found["drift_report"]).is_file()
    assert found["drift"]["drifted"] == []
    assert found["drift"]["reason"]
    assert "3 images refined" in done.stderr
    again = json.loads(refined(photos, model, "--json").stdout)
    assert (again["refined"], again["done_before"]) == (0, 3)


def test_images_that_failed_are_in_the_object(photos: Path, model: Path) -> None:
    (photos / "b.png").write_bytes(b"broken")
    done = refined(photos, model, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["refined"] == 2
    assert [one["name"] for one in found["failed"]] == ["b"]
    assert found["failed"][0]["error"] in done.stderr.replace("\n", "")


def test_a_refusal_leaves_standard_output_empty(photos: Path, tmp_path: Path) -> None:
    done = refined(photos, tmp_path / "none", "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_people_read_the_same_on_standard_output(photos: Path, model: Path) -> None:
    (photos / "more/c.png").unlink()
    (photos / "b.png").unlink()
    done = refined(photos, model)
    assert done.stdout.startswith("1 image refined: ")
    assert "Drift: unknown" in done.stdout
