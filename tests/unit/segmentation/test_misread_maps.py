"""Maps and modules that mean another thing than their settings say stop the stages base_training and logit_caching."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage
from scipy.special import expit
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.errors import UserError
from prn_pipeline.pipelines.base_training.nodes import train_base
from prn_pipeline.pipelines.logit_caching.nodes import cache_logits

HEIGHT, WIDTH, NUMBER, SIZE = 64, 96, 16, 96
TRAINING = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 2}

Form = Callable[[np.ndarray], np.ndarray]


class Bright(nn.Module):
    """A network that knows bright objects by their pixels; `ending` says what it returns."""

    def __init__(self, ending: str) -> None:
        super().__init__()
        self.ending, self.weight = ending, nn.Parameter(torch.tensor(4.0))

    def forward(self, images: Tensor) -> Tensor:
        logits = self.weight * images.mean(1, keepdim=True)
        two = torch.cat([-logits / 2, logits / 2], 1)
        endings = {
            "sigmoid": logits.sigmoid,
            "softmax": lambda: two.softmax(1),
            "background": lambda: -logits,
            "background second": lambda: two.flip(1),
            "nothing": lambda: 0 * logits - 3,
        }
        return endings[self.ending]()


class Stages:
    """A data set of 16 images (64 x 96), stored as squares of 96, with what a good model says of each: probabilities.

    `run` takes a base model of some settings through both stages.
    """

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        masks = np.zeros((NUMBER, HEIGHT, WIDTH), np.uint8)
        for mask in masks:
            top, left = rng.integers(2, 30), rng.integers(2, 60)
            mask[top : top + 20, left : left + 30] = 1
        noise = ndimage.gaussian_filter(rng.normal(0, 1, masks.shape), (0, 3, 3))
        logits = 8 * ndimage.gaussian_filter(masks.astype(float), (0, 1, 1)) - 4 + noise / noise.std()
        self.names = [f"scene-{number:02d}" for number in range(NUMBER)]
        self.probabilities = expit(logits).astype(np.float32)
        self.manifest = pd.DataFrame(
            {
                "sample_id": self.names,
                "split": ["train", "val", "val", "test"] * (NUMBER // 4),
                "group": self.names,
                "fold": 0,
                "native_height": HEIGHT,
                "native_width": WIDTH,
                "foreground": masks.mean((1, 2)),
            }
        )
        self.manifest.attrs[IDENTITY] = "scenes"
        self.masks = masks[:, np.arange(SIZE) * HEIGHT // SIZE]
        images = (80 + 100 * self.masks[..., None] + rng.integers(0, 20, (NUMBER, SIZE, SIZE, 3))).astype(np.uint8)
        arrays = {"images": images, "masks": self.masks}
        write_arrays(folder / "samples.zarr", ArrayStream([arrays], {IDENTITY: "scenes"}))
        self.samples, self.folder = ArrayStore(folder / "samples.zarr"), folder

    def write(self, form: Form) -> None:
        """A map in some form for each image, made of its probabilities (64, 96)."""
        (self.folder / "set" / "maps").mkdir(parents=True, exist_ok=True)
        for name, probabilities in zip(self.names, self.probabilities, strict=True):
            np.save(self.folder / "set" / "maps" / f"{name}.npy", form(probabilities))

    def run(self, **model: Any) -> np.ndarray:
        """Probabilities (16, 96, 96) that logit_caching stores."""
        checkpoints = str(self.folder / "checkpoints")
        source, _ = train_base(self.samples, self.manifest, model, TRAINING, 0, checkpoints)
        run = {"names": {"dataset": "set", "base_model": "tried"}, "dataset": {"folder": None}, "base_model": model}
        maps, _ = cache_logits(
            self.samples,
            self.manifest,
            source,  # type: ignore[arg-type]
            {},
            {"protocol": "holdout", "batch_size": 4, "keep": [], "tta_scales": []},
            run,
            str(self.folder),
            {"size": 512, "overlap": 64},
            {},
        )
        batches = maps.batches if isinstance(maps, ArrayStream) else maps.make(np.arange(NUMBER))
        return expit(np.concatenate([batch["logits"] for batch in batches]).astype(float))

    def maps(self, form: Form, **settings: Any) -> np.ndarray:
        """`run` for maps of another program."""
        self.write(form)
        return self.run(kind="maps", seen=[], **settings)

    def module(self, ending: str, **settings: Any) -> np.ndarray:
        """`run` for a module that is used as it is."""
        return self.run(kind="module", target=f"{__name__}:Bright", options={"ending": ending}, **settings)

    def iou(self, probabilities: np.ndarray) -> float:
        """IoU at p > 0.5."""
        predicted, true = probabilities > 0.5, self.masks == 1
        return float((predicted & true).sum() / (predicted | true).sum())


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


def eight_bits(p: np.ndarray) -> np.ndarray:
    return np.rint(255 * p).astype(np.uint8)


def two(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p])


def squared(p: np.ndarray) -> np.ndarray:
    return F.interpolate(torch.from_numpy(p)[None, None], (96, 96), mode="bilinear", antialias=True)[0, 0].numpy()


#: Form, settings, message, and the setting with which the same files are read as what they are; None if there is none.
MISREAD: dict[str, tuple[Form, dict[str, Any], str, dict[str, Any] | None]] = {
    "a mask as uint8 of 0 and 1": (
        lambda p: (p > 0.5).astype("uint8"),
        {},
        "hold only the values 0 and 1, which makes them masks, not probabilities",
        None,
    ),
    "a mask as uint8 of 0 and 255": (lambda p: (p > 0.5) * np.uint8(255), {}, "only the values 0 and 255", None),
    "the channel of the background": (lambda p: two(p)[0], {}, "as 1 - p, .*Set `foreground: 0`", {"foreground": 0}),
    "a square that the image was padded to": (
        lambda p: np.pad(p, ((16, 16), (0, 0))),
        {},
        "far better if read with `fit: letterbox`.*Set `fit: letterbox`",
        {"fit": "letterbox"},
    ),
    "floats of 0 to 255": (lambda p: 255 * p, {}, "are no probabilities. Set `scale: 255`", {"scale": 255}),
    "int64 of 0 to 255": (
        lambda p: eight_bits(p).astype(np.int64),
        {},
        "are no probabilities. Set `scale: 255`",
        {"scale": 255},
    ),
    "floats of 0 to 255 as logits": (
        lambda p: 255 * p,
        {"values": "logits"},
        "are hardly logits, because none is below 0. Set `values: probabilities` and `scale: 255`",
        {"values": "probabilities", "scale": 255},
    ),
    "probabilities as logits": (
        lambda p: p,
        {"values": "logits"},
        "all lie between 0 and 1. Set `values: probabilities`",
        {"values": "probabilities"},
    ),
    "a second sigmoid": (
        expit,
        {},
        "Leave out one sigmoid, or set `values: double_sigmoid`",
        {"values": "double_sigmoid"},
    ),
    "rows and columns exchanged": (
        lambda p: squared(p).T,
        {},
        "with rows and columns exchanged.*Set `orientation: transposed`",
        {"orientation": "transposed"},
    ),
    "flipped left to right": (
        lambda p: p[:, ::-1],
        {},
        "flipped left to right.*Set `orientation: left_right`",
        {"orientation": "left_right"},
    ),
    "flipped top to bottom": (lambda p: p[::-1], {}, "Set `orientation: top_bottom`", {"orientation": "top_bottom"}),
    "nothing at any pixel": (lambda p: 0 * p, {}, "every pixel has the value 0. Correct the model", None),
    "nothing above a half": (
        lambda p: 0.4 * np.random.default_rng(0).random(p.shape),
        {},
        r"predict nothing anywhere \(the highest probability is 0.4\), and say nothing about the true masks",
        None,
    ),
}


@pytest.mark.parametrize("name", MISREAD)
def test_misread_maps_stop_the_run_and_the_key_that_is_named_reads_them(stages: Stages, name: str) -> None:
    form, settings, message, cure = MISREAD[name]
    with pytest.raises(UserError, match=message):
        stages.maps(form, **settings)
    if cure is not None:
        cured = stages.maps(form, **settings | cure)
        assert np.abs(cured - stages.maps(lambda p: p)).mean() < 0.02


@pytest.mark.parametrize(
    "form",
    [
        two,
        lambda p: two(p)[:, None],
        lambda p: two(p)[None],
        lambda p: np.moveaxis(two(p), 0, -1),
        lambda p: np.moveaxis(two(p), 0, -1)[None],
    ],
    ids=["(2,H,W)", "(2,1,H,W)", "(1,2,H,W)", "(H,W,2)", "(1,H,W,2)"],
)
def test_maps_of_background_and_foreground_are_read_as_foreground(stages: Stages, form: Form) -> None:
    assert_allclose(stages.maps(form), stages.maps(lambda p: p), rtol=0, atol=1e-3, equal_nan=False)
    with pytest.raises(UserError, match=r"with `foreground: 0`.*Set `foreground: 0`"):
        stages.maps(lambda p: form(1 - p))
    assert_allclose(
        stages.maps(lambda p: form(1 - p), foreground=0), stages.maps(lambda p: p), rtol=0, atol=1e-3, equal_nan=False
    )


def test_the_archives_of_nnunet_are_read_beside_their_pictures(stages: Stages) -> None:
    honest = stages.maps(lambda p: p)
    folder = stages.folder / "set" / "maps"
    for name, p in zip(stages.names, stages.probabilities, strict=True):
        (folder / f"{name}.npy").unlink()
        np.savez(folder / f"{name}.npz", probabilities=two(p)[:, None])
        Image.fromarray((p > 0.5).astype(np.uint8)).save(folder / f"{name}.png")
    assert stages.run(kind="maps", seen=[]) == pytest.approx(honest, abs=1e-3)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("ending", ["sigmoid", "softmax"])
def test_a_module_that_ends_in_a_sigmoid_has_no_logits(stages: Stages, ending: str, train: bool) -> None:
    with pytest.raises(UserError, match=r"0 and 1.*Set `output: probabilities`"):
        stages.module(ending, output="logits", train=train)
    assert stages.iou(stages.module(ending, output="probabilities")) == 1


@pytest.mark.parametrize("ending", ["background", "background second"])
def test_a_module_of_the_background_is_refused(stages: Stages, ending: str) -> None:
    with pytest.raises(UserError, match=r"as 1 - p, the probability of background.*Set `foreground: 0`"):
        stages.module(ending)
    assert stages.iou(stages.module(ending, foreground=0)) == 1


def test_a_module_that_predicts_nothing_anywhere_is_refused(stages: Stages) -> None:
    with pytest.raises(UserError, match=r"every pixel has the value -3\. Correct the model"):
        stages.module("nothing")


@pytest.mark.parametrize("activation", ["sigmoid", "softmax2d"])
def test_a_network_of_the_library_has_no_activation(stages: Stages, activation: str) -> None:
    network = {"architecture": "Unet", "encoder": "tu-mobilenetv3_small_050", "options": {"activation": activation}}
    with pytest.raises(ValidationError, match=re.escape(f"activation is '{activation}'") + ".*remove `activation`"):
        stages.run(kind="smp", **network)
