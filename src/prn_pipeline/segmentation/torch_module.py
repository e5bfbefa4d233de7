"""Base models from anywhere: any torch module that can be imported, as it is or trained here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.settings import ModuleSettings
from prn_pipeline.segmentation.weights import load_weights
from prn_pipeline.training.inference import DEFAULT_TILES

#: A probability is kept so far from 0 and 1 that its logit stays finite in float32.
SMALLEST_PROBABILITY = 1e-7


class ImportedModel(NetworkSource):
    """RGB images to logits, one map of foreground or one a class, by a module that somebody else wrote.

    Args:
        settings: where it is, what it takes and gives.
        pretrained: read `settings.weights`; False when weights are about to be loaded anyway.

    Raises:
        UserError: it cannot be imported or built, or the weights are not its own.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: ModuleSettings, pretrained: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.network = _built(settings)
        if settings.weights and pretrained:
            load_weights(self.network, settings.weights, settings.sha256)
        look = settings.normalisation
        scale = torch.tensor(look.divide_by)
        self.register_buffer("mean", torch.tensor(look.mean).view(1, -1, 1, 1) * scale, persistent=False)
        self.register_buffer("std", torch.tensor(look.std).view(1, -1, 1, 1) * scale, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255 -> logits (N,C,H,W), C = `settings.classes`."""
        values = pixel_values(images)
        if self.settings.normalisation.channels == "bgr":
            values = values.flip(1)
        values = (values - self.mean) / self.std
        if self.settings.output == "logits":
            return self._foreground(self.network(values), images)
        # bfloat16 knows two probabilities between 0.992 and 1; their logits want more
        with torch.autocast(images.device.type, enabled=False):
            return self._foreground(self.network(values), images)

    def check_size(self, size: int) -> None:
        """Raise UserError where samples of side `size`, or the tiles they are cut into, do not fit the module."""
        size = min(size, DEFAULT_TILES.size)  # a forward pass is run on it
        training = self.training
        device = self.mean.device
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, self.mean.shape[1], size, size, dtype=torch.uint8, device=device))
        except UserError:
            raise
        except Exception as error:  # somebody else's code
            raise UserError(
                f"{self.settings.target} fails on an image of {size} x {size} pixels ({type(error).__name__}: {error}):"
                " correct image_size (or augmentation.crop) of the data set, or options and normalisation of the base"
                " model"
            ) from error
        finally:
            self.train(training)

    def _foreground(self, output: Any, images: Tensor) -> Tensor:
        found = self._picked(output)
        if found.ndim == 3:
            found = found.unsqueeze(1)
        classes = self.settings.classes
        fitting = {classes} if classes > 1 else {1, 2}
        if found.ndim != 4 or found.shape[0] != images.shape[0] or found.shape[1] not in fitting:
            expected = f"(N,{classes},H,W)" if classes > 1 else "(N,1,H,W), (N,2,H,W) with background first, or (N,H,W)"
            raise UserError(
                f"{self.settings.target} gives a tensor of shape {tuple(found.shape)} for images of shape"
                f" {tuple(images.shape)}; expected {expected}"
            )
        if self.settings.output == "probabilities":
            logits = _logits_of(found[:, -classes:].float(), self.settings.target, classes)
        elif classes == 1 and found.shape[1] == 2:
            logits = found[:, 1:] - found[:, :1]
        else:
            logits = found
        if logits.shape[-2:] != images.shape[-2:]:
            logits = F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return logits

    def _picked(self, output: Any) -> Tensor:
        key = self.settings.output_key
        try:
            found = output if key is None else _part(output, key)
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(f"{self.settings.target} gives {_names(output)}, without output_key {key!r}") from error
        if not isinstance(found, Tensor):
            raise UserError(
                f"{self.settings.target} gives {_names(found)} and no tensor: say with output_key which part is the map"
            )
        return found


def _logits_of(probabilities: Tensor, target: str, classes: int) -> Tensor:
    low, high = probabilities.detach().aminmax()
    if not torch.compiler.is_exporting() and (low < -1e-3 or high > 1 + 1e-3):  # values are not known while exporting
        raise UserError(
            f"{target} gives values from {low.item():.3g} to {high.item():.3g}, which are no probabilities: set output:"
            " logits"
        )
    if classes > 1:  # of a softmax
        return probabilities.clamp(min=SMALLEST_PROBABILITY).log()
    return torch.logit(probabilities, SMALLEST_PROBABILITY)


def _part(output: Any, key: str | int) -> Any:
    if isinstance(key, str) and not isinstance(output, dict) and hasattr(output, key):
        return getattr(output, key)
    return output[key]


def _names(output: Any) -> str:
    if isinstance(output, dict):
        return f"a dict with {', '.join(map(repr, output))}"
    if isinstance(output, (list, tuple)):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


def _built(settings: ModuleSettings) -> nn.Module:
    package, _, name = settings.target.partition(":")
    try:
        found: Any = import_module(package)
        for part in name.split("."):
            found = getattr(found, part)
    except ImportError as error:
        raise UserError(
            f"{settings.target} cannot be imported ({error}): install its package into this environment, or put its"
            " folder on PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise UserError(f"{settings.target}: {error}; correct `target`, package.module:Class") from error
    try:
        network = found(**settings.options)
    except Exception as error:  # somebody else's code
        raise UserError(
            f"{settings.target} with options {settings.options} cannot be built ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(network, nn.Module):
        raise UserError(f"{settings.target} gives a {type(network).__name__}, expected a torch.nn.Module")
    return network


class TorchModuleKind:
    """See `protocol.MapSourceKind`."""

    name = "module"
    settings = ModuleSettings

    def build(self, settings: ModuleSettings, pretrained: bool) -> ImportedModel:
        """The imported module that settings describe."""
        return ImportedModel(settings, pretrained)


TORCH_MODULE = TorchModuleKind()
