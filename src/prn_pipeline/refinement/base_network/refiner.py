"""A network that replaces the base model, with the interface of a refiner."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.protocol import Refiner

#: Axes of the flips of TTA; the first is the image as it is.
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


class BaseNetwork(Refiner):
    """A network from images to logits; it does not read the base model's maps.

    Args:
        settings: with the settings of the base model.
        network: images (N,C,H,W) to logits (N,1,H,W) of foreground, or softmax logits (N,classes,H,W).
    """

    replaces_base_model = True

    def __init__(self, settings: BaseNetworkSettings, network: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.network = network

    @property
    def maps_per_pass(self) -> int:
        """See `Refiner.maps_per_pass`: one pass gives the maps of all classes."""
        return int((self.settings.base_model or {}).get("classes", 1))

    def forward(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        """Logits of the network, with `settings.flips` their mean over flips of the image.

        Args:
            base_logits: not used.
            inputs: the images, uint8 or float (N,C,H,W), values 0 .. 255, one row per map: with K classes, each image
                K times in a row.

        Returns:
            Logits float32 (N,1,H,W), foreground above 0; of several classes, each against all others.
        """
        images = inputs[0][:: self.maps_per_pass]
        flips = FLIPS if self.settings.flips else FLIPS[:1]
        passes = [one_vs_rest(self.network(images.flip(axes)).float()).flip(axes) for axes in flips]
        logits = torch.stack(passes).mean(0) if self.settings.flips else passes[0]
        return logits.flatten(0, 1).unsqueeze(1)
