"""`kind: module`: any torch module that can be imported, used unchanged or trained here."""

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

#: Probabilities are clamped this far from 0 and 1, so that their logits stay finite in float32.
SMALLEST_PROBABILITY = 1e-7


class ImportedModel(NetworkSource):
    """RGB images to logits by an imported module: one map for foreground, or one per class.

    Args:
        settings: target of the import, expected input, and form of the output.
        pretrained: read `settings.weights`; False if the caller loads weights.

    Raises:
        UserError: the module cannot be imported or built, or the weights do not match it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: ModuleSettings, pretrained: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.network = _built(settings)
        if settings.weights and pretrained:
            load_weights(self.network, settings.weights, settings.sha256, settings.ignore_weights)
        expected = settings.normalisation
        scale = torch.tensor(expected.divide_by)
        self.register_buffer("mean", torch.tensor(expected.mean).view(1, -1, 1, 1) * scale, persistent=False)
        self.register_buffer("std", torch.tensor(expected.std).view(1, -1, 1, 1) * scale, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255 -> logits (N,C,H,W), C = `settings.classes`."""
        values = pixel_values(images)
        if self.settings.normalisation.channels == "bgr":
            values = values.flip(1)
        values = (values - self.mean) / self.std
        if self.settings.output == "logits":
            return self._foreground(self.network(values), images)
        # Without autocast: bfloat16 has only two numbers between 0.992 and 1, too few for the logits of probabilities.
        with torch.autocast(images.device.type, enabled=False):
            return self._foreground(self.network(values), images)

    def check_size(self, size: int) -> None:
        """Raise UserError if the module fails on samples of side `size`, or on the tiles they are cut into."""
        size = min(size, DEFAULT_TILES.size)  # the side of the forward pass below
        training = self.training
        device = self.mean.device
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, self.mean.shape[1], size, size, dtype=torch.uint8, device=device))
        except UserError:
            raise
        except Exception as error:  # the imported module may raise anything
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
        channels = {classes} if classes > 1 else {1, 2}
        if found.ndim != 4 or found.shape[0] != images.shape[0] or found.shape[1] not in channels:
            expected = f"(N,{classes},H,W)" if classes > 1 else "(N,1,H,W), (N,2,H,W) with background first, or (N,H,W)"
            raise UserError(
                f"{self.settings.target} returns a tensor of shape {tuple(found.shape)} for images of shape"
                f" {tuple(images.shape)}; expected {expected}: correct the module, its options or output_key"
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
            found = output if key is None else _item(output, key)
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(
                f"{self.settings.target} returns {_names(output)}, without output_key {key!r}: correct output_key"
            ) from error
        if not isinstance(found, Tensor):
            raise UserError(
                f"{self.settings.target} returns {_names(found)}, expected a tensor: set output_key to the map's key"
            )
        return found


def _logits_of(probabilities: Tensor, target: str, classes: int) -> Tensor:
    low, high = probabilities.detach().aminmax()
    if not torch.compiler.is_exporting() and (low < -1e-3 or high > 1 + 1e-3):  # values are unknown during export
        raise UserError(
            f"{target} returns values from {low.item():.3g} to {high.item():.3g}, which are not probabilities: set"
            " output: logits"
        )
    if classes > 1:  # the logarithm of a softmax is a valid softmax logit
        return probabilities.clamp(min=SMALLEST_PROBABILITY).log()
    return torch.logit(probabilities, SMALLEST_PROBABILITY)


def _item(output: Any, key: str | int) -> Any:
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
        for attribute in name.split("."):
            found = getattr(found, attribute)
    except ImportError as error:
        raise UserError(
            f"{settings.target} cannot be imported ({error}): install its package into this environment, or put its"
            " folder on PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise UserError(f"{settings.target}: {error}; correct `target`, package.module:Class") from error
    try:
        network = found(**settings.options)
    except Exception as error:  # the imported code may raise anything
        raise UserError(
            f"{settings.target} with options {settings.options} cannot be built ({type(error).__name__}: {error}):"
            " correct `options`"
        ) from error
    if not isinstance(network, nn.Module):
        raise UserError(
            f"{settings.target} returns a {type(network).__name__}, expected a torch.nn.Module: correct `target`"
        )
    return network


class TorchModuleKind:
    """See `protocol.MapSourceKind`."""

    name = "module"
    settings = ModuleSettings

    def build(self, settings: ModuleSettings, pretrained: bool) -> ImportedModel:
        """The imported module that settings describe."""
        return ImportedModel(settings, pretrained)


TORCH_MODULE = TorchModuleKind()
