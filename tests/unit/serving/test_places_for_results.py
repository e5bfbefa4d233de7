"""`--out` in a place where nothing can be made is a message, whatever the command."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from prn_pipeline.commands import prn
from prn_pipeline.serving.predictor import Predictor


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this machine")
@pytest.mark.parametrize(
    ("command", "out"),
    [
        ("refine", "/proc"),  # a file cannot be made
        ("suggest", "/proc"),
        ("refine", "/proc/prn/out"),  # nor a folder
        ("suggest", "/proc/prn/out"),
        ("export", "/proc/prn/out"),
    ],
)
def test_nothing_can_be_written_below_proc(
    command: str, out: str, predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    predictor.save(tmp_path / "model")
    arguments = [str(photos)] if command != "export" else []
    place = f"{out}/model.onnx" if command == "export" else out
    done = CliRunner().invoke(prn, [command, *arguments, "--model", str(tmp_path / "model"), "--out", place])
    assert done.exit_code == 1
    assert "can be made in /proc; choose another place" in done.output
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize("command", ["refine", "suggest", "export"])
def test_a_file_in_place_of_a_folder_is_named(command: str, predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    predictor.save(tmp_path / "model")
    (tmp_path / "taken").write_text("")
    arguments = [str(photos)] if command != "export" else []
    place = str(tmp_path / "taken/out")
    done = CliRunner().invoke(prn, [command, *arguments, "--model", str(tmp_path / "model"), "--out", place])
    assert done.exit_code == 1
    assert "a file is where a folder is needed" in done.output
