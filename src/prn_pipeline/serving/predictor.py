"""The predictor: images to refined masks, with the same results as the evaluation stage."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.map_places import MapPlace
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.serving.examination import examine_at_own_scale, examine_on_canvas
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.networks import Networks
from prn_pipeline.serving.places import folder_of
from prn_pipeline.serving.predicted import Examined, Predicted, RefinedLogits
from prn_pipeline.serving.saved import PredictorComponents, read_folder, write_folder
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.serving.sources import Source, open_images
from prn_pipeline.training.inference import MAX_BATCH_PIXELS
from prn_pipeline.training.module_files import weights_digest

#: Settings that change no mask.
_NOT_OF_MASKS = {"drift", "limits", "read_limits", "made_by", "learned_from", "expected_iou"}


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
        self.base, self.refiner, self.settings, self.reference = base, refiner, settings, reference
        self._networks = Networks(base, refiner, settings.tiles)

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
        canvas, tta_is_mean = self.settings.canvas, getattr(self.base.settings, "tta_is_mean", False)
        while batch := list(islice(remaining, 1 if at_own_scale else min(self.settings.batch_size, largest))):
            if at_own_scale:
                yield examine_at_own_scale(self._networks, canvas, batch[0], self.base)
            else:
                yield from examine_on_canvas(self._networks, canvas, batch, list(self.further), tta_is_mean)

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
        return self._networks.logits(images, maps, further)
