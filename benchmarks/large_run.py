"""`python -m benchmarks.large_run`: one run over 20,000 files of 256 px, and what each stage of it takes.

Unlike `benchmarks.memory`, networks and steps are those of the configuration; only the epochs of the base model are
limited, and TTA is over flips alone. A Dask worker on each core makes and counts maps. The project with its files
stays in `--scratch`: stages that have been measured are not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from benchmarks.machine import describe, usable_cores
from benchmarks.memory import PAGE, PROJECT, new_project
from benchmarks.memory_case import STAGES, processor_seconds
from benchmarks.results_page import replace_mark
from benchmarks.stage_case import peak_mib
from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.synthetic.scene import draw_scene
from prn_pipeline.sweep.committed_results import RESULTS

MARK = "large-run"
RAW, DATASET, BASE_MODEL, REFINER = "raw", "scene_files", "unet_resnet18_small", "prn_quick"
#: Epochs of the base model at most: how long it learns does not depend on the number of images.
EPOCHS = 5
#: What a stage takes, and the MiB that it adds to the project's folder.
Taken = dict[str, float]
#: Columns of the table: what is shown of a stage -> the key of what it takes, and how that is written.
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "minutes": ("seconds", lambda seconds: f"{seconds / 60:.1f}"),
    "processor minutes": ("cpu_seconds", lambda seconds: f"{seconds / 60:.1f}"),
    "MiB": ("mib_peak", lambda mib: f"{mib:.0f}"),
    "GB written": ("mib_written", lambda mib: f"{mib * 2**20 / 1e9:.2f}"),
}


def write_scene(folder: Path, settings: SyntheticSettings, index: int) -> None:
    """Draw a scene, unless it has been drawn: its image as JPEG, then its mask as PNG."""
    last = folder / "masks" / f"scene-{index:06d}.png"
    if last.is_file():
        return
    image, mask = draw_scene(index, settings)
    Image.fromarray(image).save(folder / "images" / f"scene-{index:06d}.jpg", quality=95)
    Image.fromarray(255 * mask).save(partial_file := last.with_suffix(".part"), "PNG", compress_level=1)
    partial_file.rename(last)


def write_project(project: Path, count: int, size: int) -> None:
    """Files of a data set, drawn on all cores, and a project that reads them; an interrupted one has no settings."""
    settings_file = project / "conf" / "local" / "parameters.yml"
    if settings_file.is_file():
        return
    folder = project / RAW / DATASET
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    draw = partial(write_scene, folder, SyntheticSettings(count=count, size=size, seed=0))
    with ProcessPoolExecutor(usable_cores(), mp_context=get_context("spawn")) as pool:
        for _ in pool.map(draw, range(count), chunksize=64):
            pass
    if not (project / "pyproject.toml").is_file():
        new_project(project)
    names = {"dataset": DATASET, "base_model": BASE_MODEL, "refiner": REFINER}
    (settings_file.parent / "globals.yml").write_text(yaml.safe_dump(names))
    settings_file.write_text(yaml.safe_dump(parameters(size)))


def parameters(size: int) -> dict[str, Any]:
    """Of the configuration, all but the data set, the epochs of the base model, the other scales, and the engine."""
    return {
        "engine": {"kind": "dask", "workers": usable_cores()},
        "logit_caching": {"tta_scales": []},
        "datasets": {DATASET: {"image_size": size}},
        "base_models": {BASE_MODEL: {"training": {"epochs": EPOCHS}}},
        "promotion": {"first_champion": {"least_iou": 0, "checks": []}},
    }


def run(stage: str, project: Path) -> None:
    """A stage as `kedro run --pipelines` runs it."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    with KedroSession.create(project) as session:
        session.run(pipeline_names=[stage])  # type: ignore[call-arg]


def taken(stage: str, project: Path) -> Taken:
    """Run a stage in this process: seconds by the clock and of the processor, and the peak of memory."""
    os.chdir(project)
    wall, cpu = time.perf_counter(), processor_seconds()
    run(stage, project)
    return {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": processor_seconds() - cpu,
        "mib_peak": peak_mib(),
    }


def measure(stage: str, project: Path) -> Taken:
    """What a stage takes in a process of its own, which has all cores of this one."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)]),
        "PRN_DATA_ROOT": str(project / RAW),
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db?timeout=60",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
    before = mib_of(project)
    arguments = [sys.executable, "-m", "benchmarks.large_run", "--stage", stage, "--scratch", str(project)]
    done = subprocess.run(arguments, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{stage} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) | {"mib_written": mib_of(project) - before}


def mib_of(folder: Path) -> float:
    """Size of all files of a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20


def section(found: Mapping[str, Any]) -> str:
    """Markdown: what each stage took with each number of images, and what each further image added."""
    machine, measured = found["machine"], found["measured"]
    counts = sorted(measured, key=int)
    features = ", ".join([machine["cpu"], *machine["cpu_features"][:1]])
    heads = [f"{what}, {int(count):,}" for what in COLUMNS for count in counts]
    further = ["ms per further image"] if len(counts) > 1 else []
    lines = [
        f"Files of {found['size']} x {found['size']} px; {features}, {found['cores']} cores; torch {machine['torch']};"
        f" {machine['date']}.",
        "",
        f"| | {' | '.join([*heads, *further])} |",
        "|---" + "|---:" * len([*heads, *further]) + "|",
    ]
    for stage in STAGES:
        of_stage = {count: measured[count][stage] for count in counts if stage in measured[count]}
        if not of_stage:
            continue
        cells = [
            shown(of_stage[count][key]) if count in of_stage else ""
            for key, shown in COLUMNS.values()
            for count in counts
        ]
        lines.append(f"| {stage} | {' | '.join([*cells, *([further_milliseconds(of_stage)] if further else [])])} |")
    return "\n".join([*lines, "", *_together(measured, counts)])


def further_milliseconds(of_stage: Mapping[str, Taken]) -> str:
    """Processor time between the fewest images and the most; nothing for a single number of images."""
    counts = sorted(of_stage, key=int)
    if len(counts) < 2:
        return ""
    more = of_stage[counts[-1]]["cpu_seconds"] - of_stage[counts[0]]["cpu_seconds"]
    return f"{1000 * more / (int(counts[-1]) - int(counts[0])):.1f}"


def _together(measured: Mapping[str, Mapping[str, Taken]], counts: Sequence[str]) -> list[str]:
    """One sentence, if there is a number of images that every stage has been measured with."""
    minutes = {
        count: sum(taken["cpu_seconds"] for taken in measured[count].values()) / 60
        for count in counts
        if set(measured[count]) == set(STAGES)
    }
    shown = [f"{value:.1f} processor minutes with {int(count):,} images" for count, value in minutes.items()]
    return [f"All together: {', '.join(shown)}."] if shown else []


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_run", description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=(2000, 20000), help="numbers of images")
    parser.add_argument("--size", type=int, default=256, help="pixels of a side")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for the projects: 20 GB for 20,000 images")
    parser.add_argument("--out", type=Path, default=PROJECT / RESULTS / "large-run.json")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.stage:
        print(json.dumps(taken(given.stage, given.scratch)))
        return
    found = json.loads(given.out.read_text()) if given.out.is_file() else {"measured": {}}
    found |= {"machine": describe(), "size": given.size, "cores": usable_cores()}
    for count in given.counts:
        project = given.scratch.resolve() / f"{count}-of-{given.size}"
        write_project(project, count, given.size)
        of_count = found["measured"].setdefault(str(count), {})
        for stage in STAGES:
            if stage not in of_count:
                of_count[stage] = measure(stage, project)
                given.out.write_text(json.dumps(found, indent=2) + "\n")
                print(count, stage, of_count[stage], flush=True)
    replace_mark(PAGE, MARK, section(found))
    print(PAGE)


if __name__ == "__main__":
    main()
