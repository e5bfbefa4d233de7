"""Base model and refiner, one after the other, on images of one size."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.input_names import TTA_SCALES
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.serving.base_maps import BaseMapMaker
from prn_pipeline.serving.predicted import RefinedLogits
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.inference import prepare_for_inference, to_device
from prn_pipeline.training.precision import best_device
from prn_pipeline.training.tiles import Tiles
from prn_pipeline.training.tiling import Tiled


class Networks:
    """A base model and its refiner, ready for inference. Threads can share them; a lock serialises their passes.

    Args:
        base: trained base model, or a source of maps by another program.
        refiner: refiner that was trained on its maps.
        tiles: how large images are cut.

    Raises:
        UserError: the base model needs support images, or the refiner reads features.
    """

    def __init__(self, base: MapSource, refiner: Refiner, tiles: Tiles) -> None:
        if base.settings.needs_support:
            raise UserError(
                f"a {type(base).__name__} cannot be served, because it needs labelled images of what to segment: use a"
                " base model of another kind"
            )
        if "features" in refiner.arrays:
            raise UserError("a refiner that reads features cannot be served: train one without them in its `inputs`")
        self.refiner, self._classes = refiner, base.settings.classes
        self._device, self._lock = best_device(), threading.Lock()
        self._base = None if base.runnable is None else BaseMapMaker(base.runnable, refiner, tiles)
        fast, self._refiner_context = prepare_for_inference(refiner, self._device)
        self._refiner = fast if refiner.sees_whole_maps else Tiled(fast, tiles)

    def logits(
        self,
        images: Pixels | None,
        maps: NDArray[np.float16] | None = None,
        further: Mapping[str, NDArray[np.float16]] | None = None,
    ) -> RefinedLogits:
        """Logits of images of one size; see `Predictor.logits`."""
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
        """The base model's maps that the refiner reads; zeros for a refiner that replaces it."""
        if self._base is None:
            raise UserError("this predictor refines maps of another program and has no base model: pass maps")
        if images is None:
            raise UserError("the input has neither images nor maps: pass images")
        if self.refiner.replaces_base_model:
            return {"logits": torch.zeros(len(images), self._classes, *images.shape[-2:])}
        return self._base.maps(images)


def as_rows(tensor: Tensor, name: str, classes: int) -> Tensor:
    """Arrange inputs in one row per map: images (N,3,..) are repeated per class, maps (N,C,..) are flattened."""
    if name == "images":
        return tensor.repeat_interleave(classes, dim=0)
    rows = tensor.flatten(0, 1)
    return rows.unsqueeze(1) if name in ("logits", TTA_SCALES) else rows
