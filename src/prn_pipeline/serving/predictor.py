"""Images in, refined masks out: the same as the evaluation stage makes of them, to the last bit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.atomic import replacing
from prn_pipeline.data.batches import image_stretched
from prn_pipeline.data.records import Pixels
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_ensemble import FoldEnsemble
from prn_pipeline.refinement.refiner import Refiner
from prn_pipeline.segmentation import BaseModel, ImportedModel
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.serving.sources import Source, open_images
from prn_pipeline.stages.class_methods import normalised
from prn_pipeline.stages.native import stretch
from prn_pipeline.stages.rebuilding import REBUILD
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import MOST_PIXELS, laid_out, ready, stored_logits
from prn_pipeline.training.module_files import load_module, save_module
from prn_pipeline.training.precision import best_device
from prn_pipeline.training.tiling import GRID, Tiled


class Predicted(NamedTuple):
    """Of one image.

    Attributes:
        mask: uint8 (H,W): 1 foreground, 0 not; or class ids.
        probabilities: float32 (H,W) of foreground; or (C,H,W) of classes, which sum to 1.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.float32]


class Predictor:
    """A base model and its refiner.

    Args:
        base: trained.
        refiner: trained on its maps.
        settings: how images come to them.

    Raises:
        UserError: the refiner reads features, which are kept for training alone.
    """

    #: Files of a saved predictor.
    FILES = ("base.safetensors", "refiner.safetensors", "predictor.json")

    def __init__(
        self, base: BaseModel | ImportedModel, refiner: Refiner | FoldEnsemble, settings: PredictorSettings
    ) -> None:
        if "features" in refiner.arrays:
            raise UserError("a refiner that reads features cannot be served: train one without them in its `reads`")
        self.base, self.refiner, self.settings = base, refiner, settings
        self._device = best_device()
        maker, self._base_context = ready(MapMaker(base, "views" in refiner.arrays, features=False), self._device)
        fast, self._refiner_context = ready(refiner, self._device)
        self._maker = Tiled(maker, settings.tiles)
        self._refiner = fast if refiner.settings.sees_whole_maps else Tiled(fast, settings.tiles)

    def save(self, folder: Path) -> None:
        """Write networks (safetensors and json) and settings into a folder, which appears whole or not at all."""
        with replacing(folder) as temporary:
            temporary.mkdir(parents=True)
            for name, module in (("base", self.base), ("refiner", self.refiner)):
                save_module(temporary / f"{name}.safetensors", module, module.settings.model_dump(mode="json"))
            described = json.dumps(self.settings.model_dump(mode="json"), indent=2) + "\n"
            (temporary / "predictor.json").write_text(described)

    @classmethod
    def load(cls, folder: str | Path) -> Predictor:
        """Read what `save` wrote.

        Raises:
            UserError: files are missing or damaged, or do not belong together.
        """
        place = Path(folder)
        missing = [name for name in cls.FILES if not (place / name).is_file()]
        if missing:
            raise UserError(f"{place} is no saved predictor: it has no {', '.join(missing)}")
        try:
            settings = PredictorSettings.model_validate_json((place / "predictor.json").read_text())
        except ValueError as error:
            raise UserError(f"{place / 'predictor.json'} cannot be read ({error}): save the predictor again") from error
        base = load_module(place / "base.safetensors", REBUILD["base_model"])
        refiner = load_module(place / "refiner.safetensors", REBUILD["refiner"])
        assert isinstance(base, BaseModel | ImportedModel)
        assert isinstance(refiner, Refiner | FoldEnsemble)
        return cls(base, refiner, settings)

    def predict(self, images: Source | Iterable[Source], at_own_scale: bool = False) -> list[Predicted]:
        """Masks and probabilities of images, each at its own height and width.

        Args:
            images: one or several of: uint8 (H,W,3) RGB, or an array of as many bands and of the same values as in
                training; a file; a folder of files.
            at_own_scale: do not stretch images to the size of training but take their pixels as they are, in tiles:
                for scenes much larger than those that were learned from, of the same resolution.

        Raises:
            UserError: what is no image, with its place in the list.
        """
        return list(self.stream(images, at_own_scale))

    def stream(self, images: Source | Iterable[Source], at_own_scale: bool = False) -> Iterator[Predicted]:
        """`predict` a batch at a time: memory does not grow with the number of images."""
        opened = open_images(images, self.settings.bands)
        fitting = max(1, MOST_PIXELS // min(self.settings.image_size, self.settings.tiles.size) ** 2)
        while batch := list(islice(opened, 1 if at_own_scale else min(self.settings.batch_size, fitting))):
            if at_own_scale:
                yield self._at_own_scale(batch[0])
            else:
                stretched = np.stack([image_stretched(image, self.settings.image_size) for image in batch])
                for logits, image in zip(self.logits(stretched), batch, strict=True):
                    yield self._decided(logits, image.shape[:2])

    def logits(self, images: Pixels) -> NDArray[np.float16]:
        """Refined logits of images of one size.

        Args:
            images: uint8 (N,S,S,3), or uint16 (N,S,S,bands); S as both networks take it.

        Returns:
            float16 (N,C,S,S); one map of foreground, or one a class.
        """
        tensor = channels_first(torch.from_numpy(images))
        with torch.inference_mode(), self._base_context:
            maps = self._maker(laid_out(tensor, self._device))
        known = {"logits": self._stored(maps.logits), "images": tensor}
        if maps.views is not None:
            known["views"] = self._stored(maps.views)
        classes = known["logits"].shape[1]
        rows = [_as_rows(known[name], name, classes) for name in self.refiner.arrays]
        with torch.inference_mode(), self._refiner_context:
            refined = self._refiner(*(laid_out(row, self._device) for row in rows))
        return stored_logits(refined[:, 0]).reshape(len(images), classes, *images.shape[1:3])

    @staticmethod
    def _stored(logits: Tensor) -> Tensor:
        """As if they had been to the cache and back: float16 in between."""
        return torch.from_numpy(stored_logits(logits)).float()

    def _at_own_scale(self, image: Pixels) -> Predicted:
        height, width = image.shape[:2]
        grid = math.lcm(GRID, self.refiner.settings.multiple)
        padding = ((0, -height % grid), (0, -width % grid), (0, 0))
        padded = np.pad(image, padding, mode="symmetric")
        return self._decided(self.logits(padded[None])[0][:, :height, :width], (height, width))

    def _decided(self, logits: NDArray[np.float16], shape: Sequence[int]) -> Predicted:
        maps = np.stack([stretch(one.astype(np.float32), tuple(shape)) for one in logits])
        if len(maps) == 1:
            return Predicted((maps[0] > 0).astype(np.uint8), torch.from_numpy(maps[0]).sigmoid().numpy())
        return Predicted(maps.argmax(0).astype(np.uint8), normalised(maps[None])[0])


def _as_rows(tensor: Tensor, name: str, classes: int) -> Tensor:
    """A row a map, as the refiner was taught: images (N,3,..) once a class, maps (N,C,..) taken apart."""
    if name == "images":
        return tensor.repeat_interleave(classes, dim=0)
    rows = tensor.flatten(0, 1)
    return rows.unsqueeze(1) if name == "logits" else rows
