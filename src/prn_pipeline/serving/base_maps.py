"""The base model of a predictor: the maps of its images that the refiner reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.segmentation.input_names import TTA, TTA_SCALES
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.scaled_tta import OtherScales, mean_over_scales
from prn_pipeline.training.inference import prepare_for_inference, to_device
from prn_pipeline.training.precision import best_device
from prn_pipeline.training.tiling import Tiled, Tiles


class BaseMapMaker:
    """A base network, ready to make the maps that a refiner reads, with the values that the logit cache has.

    Args:
        network: trained network from images to logits.
        refiner: refiner that was trained on its maps.
        tiles: how large images are cut.
    """

    def __init__(self, network: nn.Module, refiner: Refiner, tiles: Tiles) -> None:
        scales = refiner.settings.tta_scales if TTA_SCALES in refiner.arrays else ()
        self._device, self._tiles = best_device(), tiles
        maker = MapMaker(network, bool(scales) or TTA in refiner.arrays, features=False)
        _, self._context = prepare_for_inference(maker, self._device)
        self._maker = self._on_tiles(maker)
        self._others = OtherScales(network, scales) if scales else None

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Maps by the names of their stored arrays, float32 with values of float16.

        Args:
            images: (N,3,H,W), values 0 .. 255.

        Returns:
            logits (N,C,H,W), and tta (N,C,2,H,W) and tta_scales (N,C,H,W) where the refiner reads them.
        """
        with torch.inference_mode(), self._context:
            found = self._maker(to_device(images, self._device))
            maps = {"logits": _rounded_as_stored(found.logits)}
            if found.tta is not None:
                maps[TTA] = _rounded_as_stored(found.tta)
            if self._others is not None:
                sums = self._at_other_scales(self._others, images)
                maps[TTA_SCALES] = _rounded_as_stored(mean_over_scales(maps[TTA][:, :, 0], sums, self._others.passes))
        return maps

    def _at_other_scales(self, others: OtherScales, images: Tensor) -> Tensor:
        """As `OtherScales.forward`, in batches that are smaller where the images become larger."""
        parts = images.split(others.images_at_once(max(images.shape[-2:]), self._tiles))
        network = self._on_tiles(others.eval())
        return torch.cat([network(to_device(part, self._device)).cpu() for part in parts])

    def _on_tiles(self, network: MapMaker | OtherScales) -> nn.Module:
        return network if network.sees_whole_maps else Tiled(network, self._tiles)


def _rounded_as_stored(logits: Tensor) -> Tensor:
    """Logits rounded to float16, as the logit cache stores them."""
    return torch.from_numpy(stored_logits(logits)).float()
