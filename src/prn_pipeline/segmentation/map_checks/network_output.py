"""Whether a network's output is what its settings say: logits or probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.stored_values import Stated, StoredValues, objection, together, values_of

#: Random weights that are tried: an output that stays between 0 and 1 for all of them ends in a sigmoid or softmax.
TRIALS = 5
#: Images of a batch in which the map of the first is compared with its map alone.
FEW = 4
#: Mean difference of probabilities that counts as another map: batches of other sizes are rounded otherwise.
DIFFERENT = 2e-3


def output_objection(
    network: nn.Module, raw_output: Callable[[Tensor], Tensor], images: Tensor, output: str, trained: bool
) -> str | None:
    """Why the raw output cannot be what the settings say, and what to do about it; None if it can.

    A network with its final weights is judged by its output for real images. The output of one that is still to be
    trained says little: logits that start between 0 and 1 are honest, unless they stay there whatever the weights are.

    Args:
        network: whose weights are tried.
        raw_output: images to maps (N,C,h,w), before any conversion.
        images: (N,3,H,W), values 0 .. 255.
        output: "logits" or "probabilities".
        trained: whether the weights are final.
    """
    stated = Stated(output, "output", has_scale=False)
    values, channels = _values(raw_output, images)
    reason = objection(values, stated, channels)
    if reason is None or trained:
        return reason
    if output != "logits" or not _within(values):
        return None
    with _restored(network):
        for seed in range(TRIALS):
            _randomize(network, seed)
            again, _ = _values(raw_output, images)
            if np.isfinite([again.low, again.high]).all() and not _within(again):
                return None
    return (
        "every value lies between 0 and 1 whatever the weights are, so the module ends in a sigmoid or softmax. Set"
        " `output: probabilities`, or remove it from the module"
    )


def instability(network: Callable[[Tensor], Tensor], images: Tensor) -> str | None:
    """Why the map of an image is not always the same, and what to do about it; None if it is.

    Args:
        network: images (N,3,H,W), values 0 .. 255, to logits (N,C,H,W); in eval mode.
        images: at least one.
    """
    with torch.no_grad():
        alone = network(images[:1]).float()
        again = network(images[:1]).float()
        few = images[:FEW]
        try:
            together = network(few).float()
        except UserError:
            raise
        except Exception as error:  # the imported module may raise anything
            return (
                f"it takes one image, but fails on {len(few)} ({type(error).__name__}: {str(error)[:200]}). Make the"
                " module take batches of any size"
            )
    if _differ(alone, again):
        return (
            "the map of an image is another one each time, as with dropout that is not switched off, for example"
            " F.dropout without training=self.training. Make the module deterministic in eval mode"
        )
    if _differ(alone, together[:1]):
        return (
            "the map of an image depends on the other images of its batch, as with batch norm that uses the statistics"
            " of the batch. Make the module use stored statistics in eval mode"
        )
    return None


def _differ(one: Tensor, other: Tensor) -> bool:
    """Whether probabilities differ by more than arithmetic explains."""
    return bool(((one.sigmoid() - other.sigmoid()).abs().mean() > DIFFERENT).item())


def _within(values: StoredValues) -> bool:
    return 0 <= values.low <= values.high <= 1


def _values(raw_output: Callable[[Tensor], Tensor], images: Tensor) -> tuple[StoredValues, int]:
    """Values of the maps of all images, and their number of channels."""
    with torch.no_grad():
        maps = [raw_output(image[None])[0].float().cpu().numpy() for image in images]
    return together(values_of(one) for one in maps), len(maps[0])


@contextmanager
def _restored(network: nn.Module) -> Iterator[None]:
    """Gives the network its weights back."""
    weights = [parameter.detach().clone() for parameter in network.parameters()]
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, values in zip(network.parameters(), weights, strict=True):
                parameter.copy_(values)


def _randomize(network: nn.Module, seed: int) -> None:
    """Normal weights, which keep the size of activations: neither vanishing, nor infinite after many layers."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            deviation = 1.5 / max(1, parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 1.0
            parameter.copy_(deviation * torch.randn(parameter.shape, generator=generator))
