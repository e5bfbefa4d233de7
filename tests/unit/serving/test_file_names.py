"""Images may have any name that the file system allows: long, with brackets, line breaks, or signs of a formula."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from prn_pipeline.commands import prn
from prn_pipeline.commands.progress import printable
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.suggestion.job import SuggestionRun, write_suggestions

#: Stems of up to 251 bytes; brackets that look like markup, of which one is a folder `g[`; line breaks and codes.
LONG = ("x" * 251, "ä" * 125, "字" * 83, "a" * 236, "l" * 125 + ".m")
NAMES = (*LONG, "[red]b", "c\nd", "e\x1b[2Jf", "g[/h]", "-i", "j.k")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = tmp_path_factory.mktemp("images")
    for number, name in enumerate(NAMES):
        (images / name).parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{name}.png")
    return images


@pytest.mark.parametrize("command", ["refine", "suggest"])
def test_images_of_any_name_are_read(command: str, predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    predictor.save(tmp_path / "model")
    out = tmp_path / "out"
    options = ["--model", str(tmp_path / "model"), "--out", str(out)]
    options += ["--probabilities"] if command == "refine" else []
    found = CliRunner().invoke(prn, [command, str(folder), *options], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    assert "\x1b[2J" not in found.output
    if command == "refine":
        for name in NAMES:
            assert (out / "masks" / f"{name}.png").is_file()
            assert (out / "overlays" / f"{name}.jpg").is_file()
            assert (out / "probabilities" / f"{name}.png").is_file()
    assert not [path for path in out.rglob("*") if "partial" in path.name]


def test_failures_of_any_name_are_printed(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    predictor.save(tmp_path / "model")
    images = tmp_path / "images"
    for name in NAMES:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / f"{name}.png").write_bytes(b"broken")
    options = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(prn, ["refine", str(images), *options], catch_exceptions=False)
    assert found.exit_code == 1
    assert f"{len(NAMES)} images failed" in found.output
    with (tmp_path / "out" / "refined.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(NAMES)


@pytest.mark.parametrize("name", [*LONG, "x" * 250 + ".zarr"])
def test_a_file_or_folder_of_any_length_is_written_atomically(name: str, tmp_path: Path) -> None:
    with atomic_write(tmp_path / name) as temporary:
        temporary.write_text("whole")
        assert len(os.fsencode(temporary.name)) <= 255
        assert [path.name for path in tmp_path.iterdir()] == [temporary.name]
    assert (tmp_path / name).read_text() == "whole"


def test_long_names_with_the_same_start_have_temporary_names_of_their_own(tmp_path: Path) -> None:
    first, second = tmp_path / ("x" * 240 + "1.png"), tmp_path / ("x" * 240 + "2.png")
    with atomic_write(first) as one, atomic_write(second) as other:
        one.write_text("1")
        other.write_text("2")
    assert (first.read_text(), second.read_text()) == ("1", "2")


def test_short_names_keep_their_temporary_names(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "maps.zarr") as temporary:
        temporary.mkdir()
        assert temporary.name.startswith(".maps.")
        assert temporary.name.endswith(".partial.zarr")


def test_terminal_codes_are_shown_and_not_sent() -> None:
    assert printable("a\x1b[2J\r\nä字 [/b]") == r"a\x1b[2J\r\nä字 [/b]"


def test_tables_hold_any_name_and_no_formula(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    names = {"a\rb": "a\rb", "=cmd": "'=cmd", "-x": "'-x", "@y": "'@y", "+z": "'+z", "more/=c": "more/=c"}
    for name in names:
        (photos / f"{name}.png").write_bytes((photos / "a.png").read_bytes())
    list(FolderRun(predictor, FolderJob(photos, tmp_path / "out")).refine())
    run = SuggestionRun(predictor, FolderJob(photos, tmp_path / "suggested"))
    list(run.look())
    write_suggestions(tmp_path / "suggested", run.suggest(20))
    expected = {*names.values(), "a", "b", "more/c"}
    with (tmp_path / "out" / "refined.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["name"] for row in found} == expected
    assert len(found) == len(expected)
    assert {len(row) for row in found} == {len(found[0])}
    with (tmp_path / "suggested" / "suggested.csv").open(newline="") as file:
        assert {row["name"] for row in csv.DictReader(file)} <= expected
    assert FolderRun(predictor, FolderJob(photos, tmp_path / "out")).pending == {}
