"""The table of memory and time: what is kept, what is measured again, and what counts as growth."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import memory
from benchmarks.memory import Measured, growth, main, measure_all, new_project, section
from benchmarks.memory_case import COMMANDS, IMAGES, STAGES, as_png, parameters
from prn_pipeline.data.readers.decoding import read_image
from prn_pipeline.layout.scopes import SCOPE_OF

MACHINE = {"cpu": "abacus", "torch": "2", "date": "today"}


def of(count: int) -> dict[str, float]:
    return {"mib_peak": 1000 + count / 100, "cpu_seconds": 5 + count / 100, "seconds": 9.0}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What was measured, in place of measuring it."""
    calls: list[tuple[int, str]] = []

    def measure(project: Path, count: int, command: str) -> dict[str, Any]:
        calls.append((count, command))
        for folder in (IMAGES, "refined") if command == "prn refine" else ():
            (project / folder).mkdir(exist_ok=True)
        return of(count)

    monkeypatch.setattr(memory, "measure", measure)
    return calls


def test_every_stage_is_measured_then_prn_refine_and_the_server() -> None:
    assert [*SCOPE_OF, "promotion"] == [*STAGES]
    assert [*COMMANDS] == [*STAGES, "prn refine", "server"]


def test_only_the_data_grow_with_the_number_of_images() -> None:
    few, many = parameters(200), parameters(20000)
    few["datasets"]["synthetic_roads"]["synthetic"]["count"] = 20000
    assert few == many


def test_each_result_is_kept_at_once_and_not_measured_again(asked: list[tuple[int, str]], tmp_path: Path) -> None:
    keep, found = tmp_path / "kept.json", {}
    measure_all(200, found, keep, tmp_path)
    commands = [command for _, command in asked]
    assert commands == [*STAGES, IMAGES, "prn refine", "server"]
    assert json.loads(keep.read_text())["measured"]["server"] == {"200": of(200)}
    assert not (tmp_path / "200").exists(), "20,000 images fill a disk"
    asked.clear()
    measure_all(200, found, keep, tmp_path)
    assert asked == []
    del found["evaluation"]["200"]
    measure_all(200, found, keep, tmp_path)
    assert [command for _, command in asked] == [*STAGES[: STAGES.index("evaluation") + 1]], "it reads what these write"


def test_a_project_of_its_own_has_the_configuration_and_no_secrets_of_this_machine(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    assert (project / "conf/base/catalog.yml").is_file()
    assert list((project / "conf/local").iterdir()) == []


def test_growth_is_that_of_the_peak_from_the_fewest_to_the_most_images() -> None:
    assert growth({str(count): of(count) for count in (2000, 200, 20000)}) == pytest.approx(1200 / 1002 - 1)
    assert growth({"200": of(200)}) is None


def test_the_table_shows_peaks_growth_and_the_time_of_each_further_image() -> None:
    found: Measured = {"ingestion": {str(count): of(count) for count in (200, 2000)}, "server": {"200": of(200)}}
    lines = section(MACHINE, found).splitlines()
    assert lines[0] == "Images of 128 x 128; abacus, one thread; torch 2; today."
    assert lines[2] == "| | MiB, 200 | MiB, 2,000 | growth | s, 200 | s, 2,000 | ms per image, 200 to 2,000 |"
    assert lines[4:] == [
        "| ingestion | 1002 | 1020 | +2 % | 7.0 | 25.0 | 10.0 |",
        "| server | 1002 |  |  | 7.0 |  |  |",
    ]


def test_the_command_continues_where_it_stopped(asked: list[tuple[int, str]], tmp_path: Path) -> None:
    arguments = ["--counts", "5", "--scratch", str(tmp_path), "--out", str(tmp_path / "kept.json")]
    main(arguments)
    first = len(asked)
    main([*arguments, "--counts", "5", "7"])
    assert {count for count, _ in asked[first:]} == {7}
    assert first == len(COMMANDS) + 1


def test_an_image_that_is_sent_to_the_server_is_the_stored_one(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(as_png(image))
    assert (read_image(tmp_path / "a.png").pixels == image).all()
