"""From the output of an imported module, whatever its form, to logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prn_pipeline.data.readers.map_decoding import SMALLEST_PROBABILITY
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.module_settings import ModuleSettings

#: Names in one message.
MAX_LISTED = 10


def picked(output: Any, settings: ModuleSettings) -> Tensor:
    """The tensor that `output_key` names in a module's output.

    Raises:
        UserError: there is none of this name, or it is no tensor.
    """
    keys = _keys(settings.output_key)
    found = output
    try:
        for key in keys:
            found = _item(found, key)
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(
            f"{settings.target} returns {_names(output)}, without output_key {_shown(keys)}: correct output_key"
        ) from error
    if not isinstance(found, Tensor):
        where = f" at output_key {_shown(keys)}" if keys else ""
        raise UserError(f"{settings.target} returns {_names(found)}{where}, expected a tensor: {_choice(found, keys)}")
    return found


def as_logits(found: Tensor, images: torch.Size, settings: ModuleSettings) -> Tensor:
    """Logits (N,C,h,w) of the foreground (C = 1) or of the classes.

    Args:
        found: what the module returned for its images: (N,c,h,w), c channels.
        images: shape of the images, (N,B,H,W).
        settings: form of the output: logits or probabilities, and the channels of foreground or classes.

    Raises:
        UserError: the output has another shape, or values that are no probabilities.
    """
    _check_shape(found, images, settings)
    probabilities = settings.output == "probabilities"
    if settings.classes == 1:
        return _foreground(found, probabilities, settings)
    if settings.class_channels is not None:
        found = found[:, list(settings.class_channels)]
    return _log(found, settings.target) if probabilities else found


def _check_shape(found: Tensor, images: torch.Size, settings: ModuleSettings) -> None:
    classes, channels, foreground = settings.classes, settings.class_channels, settings.foreground
    if classes > 1:
        expected = f"(N,{classes},H,W)" if channels is None else f"(N,C,H,W) with channels {channels}"
        fits = found.ndim == 4 and (found.shape[1] == classes if channels is None else found.shape[1] > max(channels))
    else:
        expected = "(N,1,H,W), (N,2,H,W) with background first, or (N,H,W)"
        most = 2 if foreground is None else max(2, foreground + 1)
        fits = found.ndim == 4 and (found.shape[1] <= most if foreground is None else foreground < found.shape[1])
        fits = fits or (found.ndim == 4 and found.shape[1] == 1 and foreground in (0, 1))
    shape, of = f"a tensor of shape {tuple(found.shape)}", f"images of shape {tuple(images)}"
    if found.ndim == 4 and found.shape[1:3] == images[-2:] and found.shape[3] < min(found.shape[1:3]):
        raise UserError(
            f"{settings.target} returns {shape}, with its channels last, for {of}; expected {expected}: return"
            " output.permute(0, 3, 1, 2)"
        )
    if found.ndim == 4 and found.shape[0] != images[0]:
        raise UserError(
            f"{settings.target} returns {found.shape[0]} maps for {images[0]} images ({shape}): return one for each"
            " image of the batch. A traced module must be traced with a batch of any size"
        )
    if not fits:
        raise UserError(
            f"{settings.target} returns {shape} for {of}; expected {expected}: correct the module, its options or"
            f" output_key, or set {'class_channels' if classes > 1 else 'foreground'}"
        )


def _foreground(found: Tensor, probabilities: bool, settings: ModuleSettings) -> Tensor:
    """Logits (N,1,h,w) of the foreground, from one channel or several."""
    target, number = settings.target, found.shape[1]
    if number == 1:
        logits = _logit(found, target) if probabilities else found
        return -logits if settings.foreground == 0 else logits
    channel = 1 if settings.foreground is None else settings.foreground
    own = found[:, channel : channel + 1]
    if probabilities:
        return _logit(own, target)
    others = [other for other in range(number) if other != channel]
    return own - (found[:, others] if number == 2 else found[:, others].logsumexp(1, keepdim=True))


def _logit(probabilities: Tensor, target: str) -> Tensor:
    return torch.logit(_in_range(probabilities, target), SMALLEST_PROBABILITY)


def _log(probabilities: Tensor, target: str) -> Tensor:
    """The logarithm of a softmax, which is a valid softmax logit."""
    return _in_range(probabilities, target).clamp(min=SMALLEST_PROBABILITY).log()


def _in_range(probabilities: Tensor, target: str) -> Tensor:
    probabilities = probabilities.float()
    low, high = probabilities.detach().aminmax()
    if not torch.compiler.is_exporting() and (low < -1e-3 or high > 1 + 1e-3):  # values are unknown during export
        remedy = "set output: logits" if low < -1e-3 else "make it return probabilities from 0 to 1"
        raise UserError(
            f"{target} returns values from {low.item():.3g} to {high.item():.3g}, which are not probabilities: {remedy}"
        )
    return probabilities


def _keys(key: str | int | tuple[str | int, ...] | None) -> tuple[str | int, ...]:
    if key is None:
        return ()
    return key if isinstance(key, tuple) else (key,)


def _item(output: Any, key: str | int) -> Any:
    if isinstance(key, str) and not isinstance(output, dict) and hasattr(output, key):
        return getattr(output, key)
    return output[key]


def _shown(keys: Sequence[str | int]) -> str:
    return repr(keys[0]) if len(keys) == 1 else str(list(keys))


def _choice(output: Any, above: Sequence[str | int]) -> str:
    """How to get at the map in an output that is no tensor, below the keys that are set."""
    if isinstance(output, dict):
        names: list[Any] = list(output)
    elif isinstance(output, (list, tuple)):
        names = list(getattr(output, "_fields", range(len(output))))
    elif hasattr(output, "__dataclass_fields__"):
        names = list(output.__dataclass_fields__)
    else:
        return "correct `target`, or write a module that returns the map as a torch.Tensor"
    listed = ", ".join(map(repr, names[:MAX_LISTED]))
    if above:
        return f"set output_key to {list(above)} and the key of the map, one of {listed}"
    return f"set output_key to the map's key, one of {listed}"


def _names(output: Any) -> str:
    if isinstance(output, dict):
        return f"a dict with {', '.join(map(repr, output))}"
    if isinstance(output, (list, tuple)):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"
