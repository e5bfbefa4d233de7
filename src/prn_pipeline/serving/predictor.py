"""The predictor: images to refined masks, with the same results as the evaluation stage."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.image_resizing import image_placed, image_stretched
from prn_pipeline.data.resizing import placed_maps
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions, describe
from prn_pipeline.metrics.map_quality.statistics import quality_statistics
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.map_places import MapPlace
from prn_pipeline.segmentation.map_stack import further_arrays
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.serving.places import folder_of
from prn_pipeline.serving.predicted import Examined, Predicted, from_logits
from prn_pipeline.serving.saved import PredictorComponents, read_folder, write_folder
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.serving.sources import Source, open_images
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import MAX_BATCH_PIXELS, prepare_for_inference, to_device
from prn_pipeline.training.module_files import weights_digest
from prn_pipeline.training.precision import best_device
from prn_pipeline.training.tiles import GRID
from prn_pipeline.training.tiling import Tiled

#: Settings that change no mask.
_NOT_OF_MASKS = {"drift", "limits", "read_limits", "made_by", "learned_from", "expected_iou"}


class Item(NamedTuple):
    """One input: an image, or its maps by another program, or both.

    Attributes:
        image: the image as the data set would have stored it; None if the refiner needs maps only.
        logits: one-vs-rest logits, float32 (C,h,w); None if the base model makes them.
        further: further maps by other programs, likewise, by the array that is made of them (`map_inputs`).
    """

    image: Pixels | None
    logits: NDArray[np.float32] | None = None
    further: Mapping[str, Sequence[NDArray[np.float32]]] = MappingProxyType({})

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the mask."""
        if self.image is not None:
            height, width = self.image.shape[:2]
        else:
            height, width = self.logits.shape[-2:]  # type: ignore[union-attr]
        return int(height), int(width)


class RefinedLogits(NamedTuple):
    """Logits float16 (N,C,H,W) before and after the refiner: one map for foreground, or one per class.

    They are the same for a refiner that replaces the base model, which is then not run.
    """

    base: NDArray[np.float16]
    refined: NDArray[np.float16]


class Predictor:
    """A base model and its refiner. Threads can share a predictor; a lock serialises their passes.

    Args:
        base: trained base model, or a source of maps by another program.
        refiner: refiner that was trained on its maps.
        settings: how images are prepared.
        reference: statistics of images and maps in training; None disables drift checks.

    Raises:
        UserError: the base model needs support images, or the refiner reads features.
    """

    def __init__(
        self,
        base: MapSource,
        refiner: Refiner,
        settings: PredictorSettings,
        reference: Descriptions | None = None,
    ) -> None:
        if base.settings.needs_support:
            raise UserError(
                f"a {type(base).__name__} cannot be served, because it needs labelled images of what to segment: use a"
                " base model of another kind"
            )
        if "features" in refiner.arrays:
            raise UserError("a refiner that reads features cannot be served: train one without them in its `inputs`")
        self.base, self.refiner, self.settings, self.reference = base, refiner, settings, reference
        self._device, self._lock = best_device(), threading.Lock()
        self._maker, self._base_context = None, None
        if base.runnable is not None:
            maker, self._base_context = prepare_for_inference(
                MapMaker(base.runnable, "tta" in refiner.arrays, features=False), self._device
            )
            whole = getattr(base.runnable, "sees_whole_maps", False)
            self._maker = maker if whole else Tiled(maker, settings.tiles)
        fast, self._refiner_context = prepare_for_inference(refiner, self._device)
        self._refiner = fast if refiner.sees_whole_maps else Tiled(fast, settings.tiles)

    def save(self, folder: Path) -> None:
        """Write networks (safetensors and json) and settings into a folder, atomically."""
        write_folder(folder, PredictorComponents(self.base, self.refiner, self.settings, self.reference))

    @classmethod
    def load(cls, place: str | Path, allow_modules: Iterable[str] = ()) -> Predictor:
        """Load a predictor that `save` wrote.

        Args:
            place: the folder, or an address in MLflow's model registry such as models:/my_roads@champion.
            allow_modules: packages, modules or targets that a predictor of `kind: module` may import, such as
                my_package, in addition to those in the environment variable PRN_ALLOWED_MODULES.

        Raises:
            UserError: there is no such predictor; or its files are missing, damaged, or do not belong together; or it
                imports what is not allowed.
        """
        with folder_of(place) as folder:
            return cls(*read_folder(folder, allow_modules))

    @property
    def digest(self) -> str:
        """sha256 of everything that affects masks: predictors with equal digests make equal predictions."""
        settings = self.settings.model_dump_json(exclude=_NOT_OF_MASKS)
        texts = [settings, *(weights_digest(module) for module in (self.base, self.refiner))]
        texts += [module.settings.model_dump_json() for module in (self.base, self.refiner)]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def expected_iou(self, examined: Examined) -> float | None:
        """The IoU that the mask of an image is expected to have; None if the predictor has nothing to judge it by."""
        estimate = self.settings.expected_iou
        return None if estimate is None else float(estimate.of(examined.quality()[None])[0])

    @property
    def classes(self) -> int:
        """Maps per image: 1 for foreground, or one per class."""
        return self.base.settings.classes

    def predict(self, images: Source | Iterable[Source], at_own_scale: bool = False) -> list[Predicted]:
        """Masks and probabilities of images, each at its own height and width.

        Args:
            images: one or several of: uint8 (H,W,3) RGB, or an array with the same bands and range of values as in
                training; a file; a folder of files.
            at_own_scale: refine images in tiles at their own size, instead of bringing them to the size of training.
                For scenes that have the resolution of the training images, but are much larger.

        Returns:
            For each image its mask, uint8 (H,W), and probabilities, float32 (H,W), or (C,H,W) of classes.

        Raises:
            UserError: a source is not an image; the message gives its index.
        """
        return list(self.stream(images, at_own_scale))

    def stream(self, images: Source | Iterable[Source], at_own_scale: bool = False) -> Iterator[Predicted]:
        """`predict` in batches, so that memory does not grow with the number of images."""
        items = (Item(image) for image in open_images(images, *self.settings.reading))
        return (examined.predicted for examined in self.examine(items, at_own_scale))

    def examine(self, items: Iterable[Item], at_own_scale: bool = False) -> Iterator[Examined]:
        """Masks, base logits and statistics of images and maps, computed in batches.

        Args:
            items: inputs, all of them with maps or all without.
            at_own_scale: see `predict`.

        Raises:
            UserError: an item lacks an input of the networks.
        """
        remaining = iter(items)
        largest = max(
            1, MAX_BATCH_PIXELS // math.prod(min(side, self.settings.tiles.size) for side in self.settings.canvas.shape)
        )
        while batch := list(islice(remaining, 1 if at_own_scale else min(self.settings.batch_size, largest))):
            yield from [self._examine_at_own_scale(batch[0])] if at_own_scale else self._examine_on_canvas(batch)

    @property
    def further(self) -> dict[str, tuple[MapPlace, ...]]:
        """Further maps that the refiner reads beside those of the base model, by array; see `MapFilesSettings`."""
        settings = self.base.settings
        if not isinstance(settings, MapFilesSettings):
            return {}
        return {name: places for name, places in settings.further.items() if name in self.refiner.arrays}

    def logits(
        self,
        images: Pixels | None,
        maps: NDArray[np.float16] | None = None,
        further: Mapping[str, NDArray[np.float16]] | None = None,
    ) -> RefinedLogits:
        """Logits of images of one size.

        Args:
            images: uint8 (N,H,W,3), or uint16 (N,H,W,bands), of a size that both networks support.
            maps: logits (N,C,H,W) of another program, which replace those of the base model.
            further: arrays (N,C,K,H,W) of `map_inputs`, if the refiner reads them.

        Raises:
            UserError: an input of a network is missing.
        """
        inputs = {}
        if images is not None:  # PyTorch warns of arrays that nobody may write to
            inputs["images"] = channels_first(torch.from_numpy(np.require(images, requirements="W")))
        with self._lock:  # parallel passes on the same cores are no faster, and the autocast contexts are shared
            if maps is None:
                inputs |= self._base_maps(inputs.get("images"))
            else:
                inputs["logits"] = torch.from_numpy(maps).float()
                inputs |= {name: torch.from_numpy(array).float() for name, array in (further or {}).items()}
            if missing := [name for name in self.refiner.arrays if name not in inputs]:
                raise UserError(
                    f"the refiner reads {' and '.join(self.refiner.arrays)}, but the input has no"
                    f" {' and no '.join(missing)}: pass them too, or train a refiner that needs maps only (prn_maps)"
                )
            count, classes, height, width = inputs["logits"].shape
            rows = [as_rows(inputs[name], name, classes) for name in self.refiner.arrays]
            with torch.inference_mode(), self._refiner_context:
                refined = self._refiner(*(to_device(row, self._device) for row in rows))
            after = stored_logits(refined[:, 0]).reshape(count, classes, height, width)
            return RefinedLogits(after if self.refiner.replaces_base_model else stored_logits(inputs["logits"]), after)

    def _base_maps(self, images: Tensor | None) -> dict[str, Tensor]:
        """The base model's logits, and tta if the refiner reads them; zeros for a refiner that replaces it."""
        if self._maker is None or self._base_context is None:
            raise UserError("this predictor refines maps of another program and has no base model: pass maps")
        if images is None:
            raise UserError("the input has neither images nor maps: pass images")
        if self.refiner.replaces_base_model:
            return {"logits": torch.zeros(len(images), self.classes, *images.shape[-2:])}
        with torch.inference_mode(), self._base_context:
            maps = self._maker(to_device(images, self._device))
        arrays = {"logits": maps.logits} | ({} if maps.tta is None else {"tta": maps.tta})
        return {name: _rounded_as_stored(tensor) for name, tensor in arrays.items()}

    def _examine_on_canvas(self, batch: Sequence[Item]) -> Iterator[Examined]:
        canvas = self.settings.canvas
        placed = [None if item.image is None else image_placed(item.image, canvas)[None] for item in batch]
        given = [image for image in placed if image is not None]
        maps = [
            placed_maps(torch.from_numpy(item.logits), canvas, item.shape) for item in batch if item.logits is not None
        ]
        images = np.concatenate(given) if len(given) == len(batch) else None
        found = self.logits(images, np.stack(maps) if maps else None, self._further_arrays(batch, maps))
        for index, item in enumerate(batch):
            region, image = canvas.region(item.shape), placed[index]
            base, refined = (region.of(logits[index : index + 1]) for logits in found)
            description = partial(describe, None if image is None else region.of_images(image), base, refined)
            quality = partial(_quality, base, refined)
            yield Examined(from_logits(refined[0], item.shape), base[0], description, quality)

    def _further_arrays(
        self, batch: Sequence[Item], maps: Sequence[NDArray[np.float16]]
    ) -> dict[str, NDArray[np.float16]]:
        """Arrays (N,C,K,H,W) of the further maps that all items of a batch have and the refiner reads."""
        canvas, is_mean = self.settings.canvas, getattr(self.base.settings, "tta_is_mean", False)
        names = [name for name in self.further if all(name in item.further for item in batch)]
        made = [
            further_arrays(
                base,
                {
                    name: [placed_maps(torch.from_numpy(one), canvas, item.shape) for one in item.further[name]]
                    for name in names
                },
                is_mean,
            )
            for base, item in zip(maps, batch, strict=False)
        ]
        return {name: np.stack([arrays[name] for arrays in made]) for name in names} if made else {}

    def _examine_at_own_scale(self, item: Item) -> Examined:
        if item.image is None or item.logits is not None:
            raise UserError("maps of another program cannot be refined with at_own_scale: pass images without maps")
        if (shape := getattr(self.base.settings, "input_shape", None)) is not None:
            raise UserError(
                f"the base model sees every image at input_size = {shape[0]} x {shape[1]}, so that at_own_scale would"
                f" change the scale of what it sees: cut the scene into images like those of training"
                f" ({self.settings.canvas.shown} pixels), or refine it without at_own_scale"
            )
        height, width = item.shape
        grid = math.lcm(GRID, self.refiner.settings.multiple)
        padding = ((0, -height % grid), (0, -width % grid), (0, 0))
        found = self.logits(np.pad(item.image, padding, mode="symmetric")[None])
        base, refined = (logits[:, :, :height, :width] for logits in found)
        region = self.settings.canvas.region((height, width))
        step = max(1, min(height // region.height, width // region.width))
        image = image_stretched(item.image, region.shape)[None]
        description = partial(describe, image, base[..., ::step, ::step], refined[..., ::step, ::step])
        quality = partial(_quality, base, refined)
        return Examined(from_logits(refined[0], (height, width)), base[0], description, quality)


def _quality(base: NDArray[np.float16], refined: NDArray[np.float16]) -> NDArray[np.float64]:
    """`quality_statistics` (2,) of one image's maps (1,C,H,W)."""
    return quality_statistics(base, refined)[0]


def _rounded_as_stored(logits: Tensor) -> Tensor:
    """Logits rounded to float16, as the logit cache stores them."""
    return torch.from_numpy(stored_logits(logits)).float()


def as_rows(tensor: Tensor, name: str, classes: int) -> Tensor:
    """Arrange inputs in one row per map: images (N,3,..) are repeated per class, maps (N,C,..) are flattened."""
    if name == "images":
        return tensor.repeat_interleave(classes, dim=0)
    rows = tensor.flatten(0, 1)
    return rows.unsqueeze(1) if name == "logits" else rows
