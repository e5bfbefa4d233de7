"""Images in, refined masks out: the same as the evaluation stage makes of them."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.batches import image_stretched
from prn_pipeline.data.resizing import at_size
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions, describe
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.serving.places import folder_of
from prn_pipeline.serving.predicted import Examined, Predicted, decided
from prn_pipeline.serving.saved import PredictorComponents, read_folder, write_folder
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.serving.sources import Source, open_images
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import MAX_BATCH_PIXELS, prepare_for_inference, to_device
from prn_pipeline.training.module_files import weights_digest
from prn_pipeline.training.precision import best_device
from prn_pipeline.training.tiling import GRID, Tiled


class Item(NamedTuple):
    """What is refined: an image, or maps of it by another program, or both.

    Attributes:
        image: as the data set would have stored it; None where the refiner needs maps alone.
        logits: float32 (C,h,w), of each class against the others; None where the base model makes them.
    """

    image: Pixels | None
    logits: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width that the mask will have."""
        known = self.logits.shape[-2:] if self.image is None and self.logits is not None else None
        height, width = known or self.image.shape[:2]  # type: ignore[union-attr]
        return int(height), int(width)


class RefinedLogits(NamedTuple):
    """Logits float16 (N,C,S,S) before and after the refiner: one map of foreground, or one a class."""

    base: NDArray[np.float16]
    refined: NDArray[np.float16]


class Predictor:
    """A base model and its refiner. Several threads may share one: they take turns.

    Args:
        base: trained, or maps of another program.
        refiner: trained on its maps.
        settings: how images come to them.
        reference: what images and maps looked like in training; None: nothing can be said of drift.

    Raises:
        UserError: the two cannot be served.
    """

    def __init__(
        self,
        base: MapSource,
        refiner: Refiner,
        settings: PredictorSettings,
        reference: Descriptions | None = None,
    ) -> None:
        if base.settings.needs_support:
            raise UserError(f"a {type(base).__name__} cannot be served: it needs labelled images of what to segment")
        if "features" in refiner.arrays:
            raise UserError("a refiner that reads features cannot be served: train one without them in its `inputs`")
        self.base, self.refiner, self.settings, self.reference = base, refiner, settings, reference
        self._device, self._turn = best_device(), threading.Lock()
        self._maker, self._base_context = None, None
        if base.runnable is not None:
            maker, self._base_context = prepare_for_inference(
                MapMaker(base.runnable, "tta" in refiner.arrays, features=False), self._device
            )
            self._maker = Tiled(maker, settings.tiles)
        fast, self._refiner_context = prepare_for_inference(refiner, self._device)
        self._refiner = fast if refiner.settings.sees_whole_maps else Tiled(fast, settings.tiles)

    def save(self, folder: Path) -> None:
        """Write networks (safetensors and json) and settings into a folder, which appears whole or not at all."""
        write_folder(folder, PredictorComponents(self.base, self.refiner, self.settings, self.reference))

    @classmethod
    def load(cls, place: str | Path) -> Predictor:
        """Read what `save` wrote.

        Args:
            place: the folder, or an address in MLflow's model registry such as models:/my_roads@champion.

        Raises:
            UserError: there is none; files are missing or damaged, or do not belong together.
        """
        with folder_of(place) as folder:
            return cls(*read_folder(folder))

    @property
    def digest(self) -> str:
        """sha256 over all that decides on a mask: equal where two predictors say the same."""
        settings = self.settings.model_dump_json(exclude={"drift", "limits", "made_by", "learned_from"})
        parts = [settings, *(weights_digest(module) for module in (self.base, self.refiner))]
        parts += [module.settings.model_dump_json() for module in (self.base, self.refiner)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def classes(self) -> int:
        """Maps an image: 1 of foreground, or one a class."""
        return self.base.settings.classes

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
        items = (Item(image) for image in open_images(images, self.settings.bands))
        return (examined.predicted for examined in self.examine(items, at_own_scale))

    def examine(self, items: Iterable[Item], at_own_scale: bool = False) -> Iterator[Examined]:
        """Masks, and what images and maps look like beside; a batch at a time.

        Args:
            items: all of one kind: with maps or without.
            at_own_scale: see `predict`.

        Raises:
            UserError: an item lacks what the networks read.
        """
        coming = iter(items)
        fitting = max(1, MAX_BATCH_PIXELS // min(self.settings.image_size, self.settings.tiles.size) ** 2)
        while batch := list(islice(coming, 1 if at_own_scale else min(self.settings.batch_size, fitting))):
            yield from [self._at_own_scale(batch[0])] if at_own_scale else self._stretched(batch)

    def logits(self, images: Pixels | None, maps: NDArray[np.float16] | None = None) -> RefinedLogits:
        """Logits of images of one size.

        Args:
            images: uint8 (N,S,S,3), or uint16 (N,S,S,bands); S as both networks take it.
            maps: logits (N,C,S,S) of another program, in place of the base model's.

        Raises:
            UserError: what a network reads is not there.
        """
        known = {} if images is None else {"images": channels_first(torch.from_numpy(images))}
        with self._turn:  # two at once on the same cores are no faster, and an autocast context is entered once
            if maps is None:
                known |= self._made(known.get("images"))
            else:
                known["logits"] = torch.from_numpy(maps).float()
            if lacking := [name for name in self.refiner.arrays if name not in known]:
                raise UserError(
                    f"the refiner reads {' and '.join(self.refiner.arrays)}, and there are no"
                    f" {' and no '.join(lacking)}: give them too, or train one that needs maps alone (prn_maps)"
                )
            count, classes, height, width = known["logits"].shape
            rows = [as_rows(known[name], name, classes) for name in self.refiner.arrays]
            with torch.inference_mode(), self._refiner_context:
                refined = self._refiner(*(to_device(row, self._device) for row in rows))
            after = stored_logits(refined[:, 0]).reshape(count, classes, height, width)
            return RefinedLogits(stored_logits(known["logits"]), after)

    def _made(self, images: Tensor | None) -> dict[str, Tensor]:
        """The base model's logits, and tta where the refiner reads them."""
        if self._maker is None or self._base_context is None:
            raise UserError("this predictor refines maps of another program and has no model of its own: give it maps")
        if images is None:
            raise UserError("there are neither images nor maps")
        with torch.inference_mode(), self._base_context:
            maps = self._maker(to_device(images, self._device))
        made = {"logits": maps.logits} | ({} if maps.tta is None else {"tta": maps.tta})
        return {name: _as_stored(tensor) for name, tensor in made.items()}

    def _stretched(self, batch: Sequence[Item]) -> Iterator[Examined]:
        size = self.settings.image_size
        seen = [image_stretched(item.image, size) for item in batch if item.image is not None]
        given = [at_size(torch.from_numpy(item.logits), size) for item in batch if item.logits is not None]
        images = np.stack(seen) if seen else None
        found = self.logits(images, np.stack(given) if given else None)
        for number, item in enumerate(batch):
            one = slice(number, number + 1)
            seen_there = None if images is None else images[one]
            described = partial(describe, seen_there, found.base[one], found.refined[one])
            yield Examined(decided(found.refined[number], item.shape), found.base[number], described)

    def _at_own_scale(self, item: Item) -> Examined:
        if item.image is None or item.logits is not None:
            raise UserError("at its own scale an image is refined from itself: leave maps of other programs out")
        height, width = item.shape
        grid = math.lcm(GRID, self.refiner.settings.multiple)
        padding = ((0, -height % grid), (0, -width % grid), (0, 0))
        found = self.logits(np.pad(item.image, padding, mode="symmetric")[None])
        base, refined = (logits[:, :, :height, :width] for logits in found)
        every = max(1, min(height, width) // self.settings.image_size)
        seen = image_stretched(item.image, self.settings.image_size)[None]
        described = partial(describe, seen, base[..., ::every, ::every], refined[..., ::every, ::every])
        return Examined(decided(refined[0], (height, width)), base[0], described)


def _as_stored(logits: Tensor) -> Tensor:
    """As if they had been to the cache and back: float16 in between."""
    return torch.from_numpy(stored_logits(logits)).float()


def as_rows(tensor: Tensor, name: str, classes: int) -> Tensor:
    """A row a map, as the refiner was taught: images (N,3,..) once a class, maps (N,C,..) taken apart."""
    if name == "images":
        return tensor.repeat_interleave(classes, dim=0)
    rows = tensor.flatten(0, 1)
    return rows.unsqueeze(1) if name == "logits" else rows
