"""Layers that no feature depends on: some encoders are built whole, also where few of their stages are used."""

from __future__ import annotations

import copy
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
    load. An encoder keeps all layers where its features would change without them, or where it does not return a list
    of features of a small image: some transformers support one size only.

    Args:
        encoder: images (N,C,H,W) to a list of features.
        channels: C.
    """
    try:
        dropped = _unused_layers(encoder, torch.zeros(1, channels, SIDE, SIDE))
    except Exception:  # an encoder may raise anything for a size that it does not support
        return
    for name in dropped:
        encoder.set_submodule(name, Unused())
    if dropped:
        encoder.register_load_state_dict_pre_hook(partial(_forget, tuple(f"{name}." for name in dropped)))


def _unused_layers(encoder: nn.Module, image: Tensor) -> list[str]:
    """Names of layers without which the features are the same. A copy tells, because some encoders keep results."""
    whole = copy.deepcopy(encoder).eval()  # eval: no statistics, no random numbers
    weights = [weight for weight in whole.parameters() if weight.requires_grad]
    with torch.enable_grad():
        features = whole(image)
        depending = [feature.sum() for feature in features if feature.requires_grad]
    gradients = torch.autograd.grad(depending, weights, allow_unused=True)
    unused = {id(weight) for weight, gradient in zip(weights, gradients, strict=True) if gradient is None}
    names = list(_modules_of(whole, unused))
    for name in names:
        whole.set_submodule(name, Unused())
    with torch.no_grad():
        same = all(torch.equal(*pair) for pair in zip(whole(image), features, strict=True))
    return names if same else []


def _modules_of(module: nn.Module, unused: set[int], prefix: str = "") -> Iterator[str]:
    """Names of the largest modules that have weights, all of which are among these."""
    for name, child in module.named_children():
        weights = list(child.parameters())
        if weights and all(id(weight) in unused for weight in weights):
            yield prefix + name
        else:
            yield from _modules_of(child, unused, f"{prefix}{name}.")


def _forget(beginnings: tuple[str, ...], module: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
    """Take the weights of layers that were dropped out of a state dict."""
    for name in [name for name in weights if name.startswith(tuple(prefix + of for of in beginnings))]:
        del weights[name]
