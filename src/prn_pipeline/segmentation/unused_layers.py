"""Layers that no feature depends on: some encoders are built whole, also where few of their stages are used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

#: Side of an image that shows which layers are used; encoders halve it up to five times.
SIDE = 64


class Unused(nn.Module):
    """Takes the place of a layer whose output nobody reads."""

    def forward(self, values: Any, *_: Any, **__: Any) -> Any:
        """The first argument."""
        return values


def drop_unused_layers(encoder: nn.Module, channels: int) -> None:
    """Remove layers that no feature depends on, so that no file and no optimizer holds their weights.

    Of a ResNet-18 with three stages those are 94 % of the weights. Weights that were stored with such layers still
    load. Encoders that do not return a list of features of such an image are left as they are.

    Args:
        encoder: images (N,C,H,W) to a list of features.
        channels: C.
    """
    trains = {module: module.training for module in encoder.modules()}
    encoder.eval()  # no statistics, no random numbers
    try:
        _drop(encoder, torch.zeros(1, channels, SIDE, SIDE))
    except (RuntimeError, TypeError, ValueError, AttributeError):  # another size, or another kind of output
        return
    finally:
        for module, training in trains.items():
            module.training = training


def _drop(encoder: nn.Module, image: Tensor) -> None:
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    with torch.enable_grad():
        features = encoder(image)
        depending = [feature.sum() for feature in features if feature.requires_grad]
    gradients = torch.autograd.grad(depending, weights, allow_unused=True)
    unused = {id(weight) for weight, gradient in zip(weights, gradients, strict=True) if gradient is None}
    dropped = {name: encoder.get_submodule(name) for name in _unused_modules(encoder, unused)}
    for name in dropped:
        encoder.set_submodule(name, Unused())
    if not _has_features(encoder, image, features):
        for name, module in dropped.items():
            encoder.set_submodule(name, module)
    elif dropped:
        encoder.register_load_state_dict_pre_hook(partial(_forget, tuple(f"{name}." for name in dropped)))


def _unused_modules(module: nn.Module, unused: set[int], prefix: str = "") -> Iterator[str]:
    """Names of the largest modules that have weights, all of which are among these."""
    for name, child in module.named_children():
        weights = list(child.parameters())
        if weights and all(id(weight) in unused for weight in weights):
            yield prefix + name
        else:
            yield from _unused_modules(child, unused, f"{prefix}{name}.")


@torch.no_grad()
def _has_features(encoder: nn.Module, image: Tensor, expected: list[Tensor]) -> bool:
    """Whether the encoder still gives these features; some read more than the output of a layer."""
    try:
        return all(torch.equal(*pair) for pair in zip(encoder(image), expected, strict=True))
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return False


def _forget(beginnings: tuple[str, ...], module: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
    """Take the weights of layers that were dropped out of a state dict."""
    for name in [name for name in weights if name.startswith(tuple(prefix + of for of in beginnings))]:
        del weights[name]
