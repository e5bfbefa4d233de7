"""One command on generated images, in a process of its own, whose peak memory and processor time are therefore its own.

`python -m benchmarks.memory_case PROJECT COUNT COMMAND` prints one line of JSON. PROJECT is a folder that
`memory.new_project` made.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.machine import use_cores
from benchmarks.stage_case import peak_mib
from prn_pipeline.data.store.array_store import ArrayStore, shards

SIZE = 128
DATASET, BASE_MODEL, REFINER = "synthetic_roads", "unet_resnet18_small", "prn"
STAGES = (
    "ingestion",
    "base_training",
    "logit_caching",
    "pseudo_labelling",
    "prn_training",
    "evaluation",
    "reporting",
    "promotion",
)
#: Images of one request to the server.
IMAGES_PER_REQUEST = 8
RUN = f"{DATASET}/{BASE_MODEL}/{REFINER}/seed-0"
SAMPLES, PREDICTOR = f"data/02_intermediate/{DATASET}/samples.zarr", f"data/06_models/{RUN}/predictor"
IMAGES, REFINED = "images", "refined"


def parameters(count: int) -> dict[str, Any]:
    """A run of small networks that learn for a few steps: only the data grow with `count`."""
    training = {"epochs": 1, "steps_per_epoch": 4, "memory": 0}  # 0: samples are read batch by batch, however few
    return {
        "datasets": {DATASET: {"image_size": SIZE, "synthetic": {"count": count, "size": SIZE}}},
        "base_models": {
            BASE_MODEL: {
                "encoder": "tu-mobilenetv3_small_050",
                "options": {"encoder_depth": 3, "decoder_channels": [16, 16, 8]},
                "training": training,
            }
        },
        "logit_caching": {"tta_scales": [0.75]},
        "prn_training": training,
        "refiners": {REFINER: {"detail_width": 4, "detail_levels": 2, "region_width": 4}},
        "promotion": {"first_champion": {"least_iou": 0, "checks": []}},
    }


def stage(name: str, project: Path, count: int) -> None:
    """A stage as `kedro run --pipelines NAME` runs it."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    with KedroSession.create(project, runtime_params=parameters(count)) as session:
        session.run(pipeline_names=[name])  # type: ignore[call-arg]


def refine(project: Path, count: int) -> None:
    """`prn refine` on files."""
    from prn_pipeline.commands import prn

    arguments = ["refine", IMAGES, "--model", PREDICTOR, "--out", REFINED]
    try:
        prn.main(arguments, prog_name="prn")
    except SystemExit as ended:
        if ended.code:
            raise


def serve(project: Path, count: int) -> None:
    """The predictor of a server, asked again and again; each request is made when it is sent."""
    from prn_pipeline.serving.predictor import Predictor
    from prn_pipeline.serving.requests import IMAGE, answer

    predictor, answered = Predictor.load(PREDICTOR), 0
    for images in stored_images(project, count):
        for start in range(0, len(images), IMAGES_PER_REQUEST):
            table = pd.DataFrame({IMAGE: [as_png(one) for one in images[start : start + IMAGES_PER_REQUEST]]})
            answered += sum(len(base64.b64decode(mask)) > 0 for mask in answer(predictor, table)["mask"])
    if answered != count:
        raise RuntimeError(f"{answered} of {count} images were answered")


def write_images(project: Path, count: int) -> None:
    """Write the stored images as files, for `refine`; this is not measured."""
    (project / IMAGES).mkdir()
    numbers = iter(range(count))
    for images in stored_images(project, count):
        for image in images:
            (project / IMAGES / f"scene-{next(numbers):05d}.png").write_bytes(as_png(image))


def stored_images(project: Path, count: int) -> Iterator[np.ndarray]:
    """The images that ingestion has drawn and stored, uint8 (n, SIZE, SIZE, 3) at a time."""
    store = ArrayStore(project / SAMPLES)
    return (store.read("images", rows) for rows in shards(np.arange(count)))


def as_png(image: np.ndarray) -> bytes:
    """An encoded image."""
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


#: Everything that is measured, in order: what one command writes, the next ones read.
COMMANDS: dict[str, Callable[[Path, int], None]] = {
    **{name: partial(stage, name) for name in STAGES},
    "prn refine": refine,
    "server": serve,
}


def measured(command: str, project: Path, count: int) -> dict[str, float]:
    """Processor and wall-clock seconds of a command, and the MiB of its process at its peak."""
    use_cores(1)
    os.chdir(project)
    wall, cpu = time.perf_counter(), processor_seconds()
    COMMANDS[command](project, count)
    return {
        "cpu_seconds": processor_seconds() - cpu,
        "seconds": time.perf_counter() - wall,
        "mib_peak": peak_mib(),
    }


def processor_seconds() -> float:
    """Of this process and its children that have ended: other processes on the machine do not change it."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    place, images = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    if sys.argv[3] == IMAGES:
        os.chdir(place)
        write_images(place, images)
    else:
        print(json.dumps(measured(sys.argv[3], place, images)))
