"""One case of `benchmarks.shares`, in a process of its own: images a second of the product, and of its networks alone.

`python -m benchmarks.share_case CASE SIZE COUNT CORES` prints one line of JSON. The networks alone run in a bare loop
on tensors in memory, in the form and in the batches in which the product runs them; their weights are random.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.machine import use_cores
from benchmarks.serving import OWN, ask, served
from benchmarks.stage_case import BASE_MODEL, REFINER, conf, without_training
from benchmarks.stage_inputs import open_stores, write_stores
from benchmarks.stored_runs import with_tta
from prn_pipeline.data.store.array_store import ArrayStream, write_arrays
from prn_pipeline.refinement.registry import build_refiner, read_settings
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.network_source import cached_maps
from prn_pipeline.segmentation.scaled_tta import OtherScales
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import prepare_for_inference, to_device
from prn_pipeline.training.loop import fit
from prn_pipeline.training.optimization import build_optimizer
from prn_pipeline.training.precision import autocast
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles

CPU = torch.device("cpu")
#: Clients of the server at the same time.
CLIENTS = 4


class Rates(NamedTuple):
    """Images a second of the product, and of its networks alone."""

    product: float
    alone: float


def base_training(size: int, count: int) -> Rates:
    """Steps of the base model: an epoch of `fit` after a first one, without validation, against a step on one batch.

    An epoch has as many steps as in the pipeline, or fewer of larger images.
    """
    own, block = conf("base_training"), conf("base_models")[BASE_MODEL]["training"]
    two = {"epochs": 2, "keep": "last", "early_stop_patience": None, "schedule": "constant"}
    training = TrainingSettings.model_validate(own | block | two)
    batch = training.batch_size
    assert training.steps_per_epoch is not None
    steps = max(1, min(training.steps_per_epoch, count * 256 // size // 2))
    training = training.model_copy(update={"steps_per_epoch": steps})
    model, objective = _base_model(), _base_model().objective()
    with tempfile.TemporaryDirectory() as scratch:
        write_stores(Path(scratch), count, size)
        samples, _, _ = open_stores(Path(scratch))
        arrays = {"inputs": "images", "masks": "masks"}
        rows = samples.rows(["test"])
        stored = StoredSamples(samples, rows, arrays, training.augmentation, memory=training.memory_bytes)
        ends: list[float] = []
        listener = lambda *_: ends.append(time.perf_counter())  # noqa: E731
        fit(lambda: model, objective, stored, None, training, 0, Path(scratch) / "checkpoints", "base", listener)
        columns = {
            name: channels_first(torch.from_numpy(samples.array(of, rows[:batch]))) for name, of in arrays.items()
        }
    network = _base_model().to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(network, training)

    def step() -> None:
        optimizer.zero_grad()
        with autocast(CPU):
            loss, _ = objective(network, columns)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip, foreach=True)
        optimizer.step()

    return Rates(steps * batch / (ends[1] - ends[0]), batch / _seconds(step, min(steps, 5)))


def map_caching(size: int, count: int) -> Rates:
    """From stored images to stored maps, with TTA over flips and scales as configured."""
    caching, model = conf("logit_caching"), _base_model()
    batch, scales = caching["batch_size"], caching["tta_scales"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_stores(folder, count, size)
        samples, _, maps = open_stores(folder)

        def run() -> None:
            made = cached_maps(samples, maps, {"base": model}, batch, caching["keep"], Tiles(), None, scales)
            write_arrays(folder / "made.zarr", ArrayStream(made))

        product = _seconds(run, 1)
    maker, context = prepare_for_inference(MapMaker(model, "tta" in caching["keep"], False), CPU)
    others = OtherScales(model, scales).eval()
    images = _images(min(batch, count), size)

    def alone() -> None:
        with torch.inference_mode(), context:
            maker(images)
            for part in images.split(others.images_at_once(size, Tiles())):
                others(part)

    return Rates(count / product, len(images) / _seconds(alone, max(1, count // len(images))))


def refine(size: int, count: int) -> Rates:
    """`prn refine` of a folder of PNG images, with overlays, from its start with a loaded predictor to its table."""
    predictor = _predictor(size)
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch, "images")
        images.mkdir()
        for number, file in enumerate(_pictures(count, size)):
            (images / f"{number:05d}.png").write_bytes(file)
        runs = iter(range(9))

        def run() -> None:
            for _ in FolderRun(predictor, FolderJob(images, Path(scratch, f"out-{next(runs)}"))).refine():
                pass

        product = _seconds(run, 1)
    batch = min(count, predictor.settings.batch_size)
    return Rates(count / product, batch / _seconds(_networks_alone(predictor, batch, size), max(1, count // batch)))


def server(size: int, count: int) -> Rates:
    """`prn serve` with four clients at a time, an image a request; the clients use the same cores."""
    predictor = _predictor(size)
    bodies = [
        json.dumps({"instances": [base64.b64encode(file).decode()]}).encode() for file in _pictures(CLIENTS, size)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        predictor.save(Path(scratch, "predictor"))
        with (
            served(str(Path(scratch, "predictor")), Path(scratch), {}, OWN) as (address, _),
            ThreadPoolExecutor(CLIENTS) as clients,
        ):

            def run() -> None:
                answers = clients.map(lambda number: ask(address, bodies[number % CLIENTS])[0], range(count))
                assert set(answers) == {200}

            product = _seconds(run, 1)
    return Rates(count / product, 1 / _seconds(_networks_alone(predictor, 1, size), count))


CASES: dict[str, Callable[[int, int], Rates]] = {
    case.__name__: case for case in (base_training, map_caching, refine, server)
}


def _base_model() -> BaseModel:
    torch.manual_seed(0)
    return BaseModel(BaseModelSettings(**without_training(conf("base_models")[BASE_MODEL]))).eval()


def _predictor(size: int) -> Predictor:
    refiner = build_refiner(read_settings(with_tta(without_training(conf("refiners")[REFINER])))).eval()
    return Predictor(_base_model(), refiner, PredictorSettings(image_size=size))


def _networks_alone(predictor: Predictor, batch: int, size: int) -> Callable[[], None]:
    """A pass of base model, with its TTA, and refiner over one batch in memory."""
    assert predictor.base.runnable is not None
    maker, context = prepare_for_inference(MapMaker(predictor.base.runnable, True, False), CPU)
    refiner, of_refiner = prepare_for_inference(predictor.refiner, CPU)
    images = _images(batch, size)

    def alone() -> None:
        with torch.inference_mode():
            with context:
                made = maker(images)
            inputs = {"logits": made.logits, "images": images, "tta": made.tta[:, 0]}
            with of_refiner:
                refiner(*(to_device(inputs[name].float(), CPU) for name in predictor.refiner.arrays))

    return alone


def _images(count: int, size: int) -> Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return to_device(channels_first(torch.from_numpy(drawn)), CPU)


def _pictures(count: int, size: int) -> Iterator[bytes]:
    """Smooth pictures as PNG."""
    draw = np.random.default_rng(0)
    for _ in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        coarse.resize((size, size), Image.Resampling.BICUBIC).save(file := io.BytesIO(), "PNG")
        yield file.getvalue()


def _seconds(run: Callable[[], None], times: int) -> float:
    """Seconds of a call, as a mean over `times`, after one that is not counted."""
    run()
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times


if __name__ == "__main__":
    use_cores(int(sys.argv[4]))
    print(json.dumps(CASES[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))._asdict()))
