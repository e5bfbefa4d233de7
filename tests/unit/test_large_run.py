"""The table of one run over many files: what is written, measured once, and shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks import large_run
from benchmarks.large_run import DATASET, RAW, further_milliseconds, main, section, write_project
from benchmarks.memory_case import STAGES
from prn_pipeline.data.readers.decoding import read_image

MACHINE = {"cpu": "abacus", "cpu_features": ["beads", "rods"], "torch": "2", "date": "today"}


def of(count: int) -> dict[str, float]:
    return {"cpu_seconds": 30 + count * 0.06, "seconds": 1.0, "mib_peak": 1000.0, "mib_written": 1e9 / 2**20}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """What was measured, in place of measuring it; the page is a copy."""
    calls: list[tuple[str, str]] = []

    def measure(stage: str, project: Path) -> dict[str, Any]:
        calls.append((project.name, stage))
        return of(int(project.name.split("-")[0]))

    page = tmp_path / "page.md"
    page.write_text("<!-- large-run: begin -->\n<!-- large-run: end -->\n")
    monkeypatch.setattr(large_run, "measure", measure)
    monkeypatch.setattr(large_run, "write_project", lambda project, count, size: None)
    monkeypatch.setattr(large_run, "PAGE", page)
    return calls


def test_a_project_has_the_files_of_every_scene_and_reads_them(tmp_path: Path) -> None:
    write_project(tmp_path / "project", 3, 32)
    folder = tmp_path / "project" / RAW / DATASET
    images = sorted(path.stem for path in (folder / "images").iterdir())
    assert images == sorted(path.stem for path in (folder / "masks").iterdir())
    assert len(images) == 3
    assert read_image(folder / "images" / f"{images[0]}.jpg").pixels.shape == (32, 32, 3)
    assert set(np.unique(read_image(folder / "masks" / f"{images[0]}.png").pixels)) <= {0, 255}
    names = yaml.safe_load((tmp_path / "project/conf/local/globals.yml").read_text())
    assert names["dataset"] == DATASET


def test_each_stage_is_measured_once(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    arguments = ["--size", "32", "--scratch", str(tmp_path), "--out", str(tmp_path / "kept.json")]
    main([*arguments, "--counts", "3"])
    assert asked == [("3-of-32", stage) for stage in STAGES]
    main([*arguments, "--counts", "3", "4"])
    assert {project for project, _ in asked[len(STAGES) :]} == {"4-of-32"}
    assert set(json.loads((tmp_path / "kept.json").read_text())["measured"]) == {"3", "4"}
    assert (
        "All together: 4.0 processor minutes with 3 images, 4.0 processor minutes with 4 images."
        in large_run.PAGE.read_text()
    )


def test_the_table_shows_what_each_further_image_takes() -> None:
    found = {"machine": MACHINE, "size": 256, "cores": 2}
    found |= {"measured": {"100": {"ingestion": of(100)}, "1000": {"ingestion": of(1000)}}}
    lines = section(found).splitlines()
    assert lines[0] == "Files of 256 x 256 px; abacus, beads, 2 cores; torch 2; today."
    assert lines[4] == "| ingestion | 0.0 | 0.0 | 0.6 | 1.5 | 1000 | 1000 | 1.00 | 1.00 | 60.0 |"
    assert further_milliseconds({"100": of(100)}) == ""
    found["measured"].pop("1000")
    assert section(found).splitlines()[2:5] == [
        "| | minutes, 100 | processor minutes, 100 | MiB, 100 | GB written, 100 |",
        "|---|---:|---:|---:|---:|",
        "| ingestion | 0.0 | 0.6 | 1000 | 1.00 |",
    ]
