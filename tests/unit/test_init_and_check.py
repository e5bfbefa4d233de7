"""`prn init` adds a block to a project's data sets; `prn check` reads them as ingestion does."""

import json
import subprocess
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from prn_pipeline.commands import prn
from prn_pipeline.pipelines.ingestion.nodes import draw_samples, ingest
from prn_pipeline.sweep.lists import Lists, unknown_names
from tests.unit.own_project import enter_own_project

FILE = "conf/base/parameters_datasets.yml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter_own_project(tmp_path, monkeypatch)


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    """Twelve different images with masks."""
    folder = tmp_path / "data" / "my_roads"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    draw = np.random.default_rng(3)
    for number in range(12):
        Image.fromarray(draw.integers(0, 255, (48, 50, 3), np.uint8)).save(folder / f"images/{number}.png")
        truth = np.zeros((48, 50), np.uint8)
        truth[:, 5 + number : 20 + number] = 255
        Image.fromarray(truth).save(folder / f"masks/{number}.png")
    return folder


def called(*command: str) -> Result:
    return CliRunner().invoke(prn, list(command))


def test_init_appends_a_block_and_says_what_comes_next(project: Path, roads: Path) -> None:
    before = (project / FILE).read_text()
    done = called("init", str(roads))
    assert done.exit_code == 0, done.output
    after = (project / FILE).read_text()
    assert after.startswith(before.rstrip())
    assert yaml.safe_load(after)["datasets"]["my_roads"] == {"image_size": 32}
    assert "  my_roads: # 12 images with masks" in done.output
    assert done.output.endswith("  prn check my_roads\n")
    assert "export" not in done.output


def test_init_prints_the_data_root_of_a_folder_elsewhere(
    project: Path, roads: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PRN_DATA_ROOT", str(tmp_path / "other"))
    done = called("init", str(roads), "--name", "highways")
    assert f"  export PRN_DATA_ROOT={roads.parent}\n" in done.output
    assert yaml.safe_load((project / FILE).read_text())["datasets"]["highways"]["folder"] == "my_roads"


def test_benchmarks_and_dvc_find_the_block_of_any_name(project: Path, roads: Path) -> None:
    called("init", str(roads), "--name", "2018")
    lists = Lists(datasets=["2018"], base_models=["unet_resnet18_small"], refiners=["prn"], seeds=[0])
    assert unknown_names(lists, project) == []


def test_a_block_is_never_overwritten(project: Path, roads: Path) -> None:
    called("init", str(roads))
    text = (project / FILE).read_text()
    done = called("init", str(roads))
    assert done.exit_code == 1
    assert "there is a data set 'my_roads' in conf/" in done.output
    assert (project / FILE).read_text() == text


def test_a_refused_folder_changes_nothing(project: Path, tmp_path: Path) -> None:
    text = (project / FILE).read_text()
    (tmp_path / "empty").mkdir()
    done = called("init", str(tmp_path / "empty"))
    assert done.exit_code == 1
    assert "no pictures (found no file)" in done.output
    assert (project / FILE).read_text() == text


def test_a_file_that_ends_in_another_key_is_left_alone_and_the_block_printed(project: Path, roads: Path) -> None:
    reporting = project / "conf/base/parameters_reporting.yml"
    text = (project / FILE).read_text() + reporting.read_text()
    reporting.unlink()
    (project / FILE).write_text(text)
    done = called("init", str(roads))
    assert done.exit_code == 1
    assert "Add this block by hand:\n  my_roads:" in done.output
    assert (project / FILE).read_text() == text


def test_check_prints_the_table_and_writes_the_sheet(project: Path, roads: Path) -> None:
    called("init", str(roads))
    done = called("check", "my_roads")
    assert done.exit_code == 0, done.output
    assert "data set 'my_roads': 12 samples" in done.output
    sheet = project / "data/08_reporting/my_roads/samples.png"
    assert f"Samples beside their masks: {sheet}" in done.output
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert not (project / "data/02_intermediate").exists()


def test_the_sheet_is_the_one_that_ingestion_draws(project: Path, roads: Path) -> None:
    called("init", str(roads))
    called("check", "my_roads")
    settings = {"image_size": 32}
    stream, manifest, _ = ingest("my_roads", settings, str(roads.parent))
    stored = list(stream.batches)
    samples = Mock()
    samples.read = lambda name, rows: np.concatenate([batch[name] for batch in stored])[rows]
    sheet = project / "data/08_reporting/my_roads/samples.png"
    assert sheet.read_bytes() == draw_samples("my_roads", samples, manifest)


def test_check_prints_a_warning_once(project: Path, roads: Path) -> None:
    called("init", str(roads))
    (roads / "images/notes.md").write_text("")
    done = called("check", "my_roads")
    assert done.output.count("left out 1 file of kinds that are not read as pictures") == 1


def test_check_ends_with_the_code_of_user_errors(project: Path, roads: Path) -> None:
    called("init", str(roads))
    (roads / "masks/3.png").unlink()
    done = called("check", "my_roads")
    assert done.exit_code == 1
    assert "1 image file without mask: 3.png" in done.output
    assert not (project / "data/08_reporting").exists()


def test_check_proposes_a_near_name(project: Path, roads: Path) -> None:
    called("init", str(roads))
    done = called("check", "my_raods")
    assert done.exit_code == 1
    assert "my_roads" in done.output
    assert "`prn init FOLDER` adds yours" in done.output


def test_a_new_version_of_the_project_keeps_the_blocks_that_were_added(project: Path, roads: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)

    def commit(name: str) -> None:
        git("add", FILE)
        git("commit", "-m", name)

    git("init", "-b", "main")
    commit("a version")
    git("checkout", "-b", "mine")
    assert called("init", str(roads)).exit_code == 0
    commit("my data set")
    mine = yaml.safe_load((project / FILE).read_text())["datasets"]["my_roads"]
    git("checkout", "main")
    shipped = (project / FILE).read_text()
    last = shipped.index("\n  kvasir_seg_large:")
    changed = shipped[last:].replace("image_size: 512", "image_size: 480")
    (project / FILE).write_text(f"{shipped[:last]}\n  another:\n    image_size: 96\n{changed}")
    commit("the next version")
    git("checkout", "mine")
    git("merge", "main")
    merged = yaml.safe_load((project / FILE).read_text())["datasets"]
    assert merged["my_roads"] == mine
    assert merged["another"] == {"image_size": 96}
    assert merged["kvasir_seg_large"]["image_size"] == 480


def test_programs_read_what_check_found(project: Path, roads: Path) -> None:
    assert called("init", str(roads)).exit_code == 0
    done = CliRunner().invoke(prn, ["check", "my_roads", "--json"])
    found = json.loads(done.stdout)
    assert found["samples"] == 12
    assert sum(split["images"] for split in found["splits"].values()) == 12
    assert Path(found["sheet"]).is_file()
