"""`kind: module`: any torch module that can be imported, used unchanged or trained here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.network_output import instability, output_objection
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.settings import ModuleSettings, Normalisation
from prn_pipeline.segmentation.weights import load_weights
from prn_pipeline.training.inference import DEFAULT_TILES

logger = logging.getLogger(__name__)

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
        self._normalise(settings.normalisation)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255 -> logits (N,C,H,W), C = `settings.classes`."""
        if self.settings.output == "logits":
            return self._logits(images)
        # Without autocast: bfloat16 has only two numbers between 0.992 and 1, too few for the logits of probabilities.
        with torch.autocast(images.device.type, enabled=False):
            return self._logits(images)

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

    def check_output(self, images: Tensor) -> None:
        """Raise UserError if the module's output is not what `output` says: see `output_objection`."""
        if self.settings.check == "skip":
            return
        side = DEFAULT_TILES.size
        seen, training = images[..., :side, :side].to(self.mean.device), self.training
        self.eval()
        try:
            trained = not self.settings.train
            reason = output_objection(self.network, self.raw_output, seen, self.settings.output, trained)
            if reason is None and trained:
                reason = instability(self, seen)
        finally:
            self.train(training)
        if reason is not None:
            found = f"{self.settings.target}: in its output for {len(images)} images, {reason}"
            if self.settings.check == "refuse":
                raise UserError(f"{found}. (`check: warn` of the base model goes on in spite of this.)")
            logger.warning(found)

    @contextmanager
    def with_settings(self, **changes: Any) -> Iterator[None]:
        """Other values of `normalisation` or `foreground` for a while."""
        usual = self.settings
        try:
            self.settings = usual.model_copy(update=changes)
            self._normalise(self.settings.normalisation)
            yield
        finally:
            self.settings = usual
            self._normalise(usual.normalisation)

    @property
    def channels_of_output(self) -> int:
        """Channels that the module returns."""
        side = min(DEFAULT_TILES.size, 128)
        training = self.training
        try:
            with torch.no_grad():
                return (
                    self.eval()
                    .raw_output(torch.zeros(1, self.mean.shape[1], side, side, device=self.mean.device))
                    .shape[1]
                )
        finally:
            self.train(training)

    def raw_output(self, images: Tensor) -> Tensor:
        """What the module itself returns for images (N,3,H,W) of values 0 .. 255: its map, any channels, (N,C,h,w)."""
        values = pixel_values(images)
        if self.settings.normalisation.channels == "bgr":
            values = values.flip(1)
        found = self._picked(self.network((values - self.mean) / self.std))
        return found.unsqueeze(1) if found.ndim == 3 else found

    def _normalise(self, expected: Normalisation) -> None:
        scale = torch.tensor(expected.divide_by)
        for name, values in (("mean", expected.mean), ("std", expected.std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1) * scale, persistent=False)

    def _logits(self, images: Tensor) -> Tensor:
        found = self._checked(self.raw_output(images), images)
        probabilities = self.settings.output == "probabilities"
        if self.settings.classes > 1:
            logits = _log(found, self.settings.target) if probabilities else found
        else:
            logits = self._foreground(found, probabilities)
        if logits.shape[-2:] != images.shape[-2:]:
            logits = F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return logits

    def _checked(self, found: Tensor, images: Tensor) -> Tensor:
        """The module's output, (N,C,h,w), with the channels of the classes if there are several."""
        classes, channels, foreground = self.settings.classes, self.settings.class_channels, self.settings.foreground
        if classes > 1:
            expected = f"(N,{classes},H,W)" if channels is None else f"(N,C,H,W) with channels {channels}"
            fits = found.ndim == 4 and (
                found.shape[1] == classes if channels is None else found.shape[1] > max(channels)
            )
        else:
            expected = "(N,1,H,W), (N,2,H,W) with background first, or (N,H,W)"
            most = 2 if foreground is None else max(2, foreground + 1)
            fits = found.ndim == 4 and (found.shape[1] <= most if foreground is None else foreground < found.shape[1])
            fits = fits or (found.ndim == 4 and found.shape[1] == 1 and foreground in (0, 1))
        if found.ndim == 4 and found.shape[1:3] == images.shape[-2:] and found.shape[3] < min(found.shape[1:3]):
            raise UserError(
                f"{self.settings.target} returns a tensor of shape {tuple(found.shape)}, with its channels last, for"
                f" images of shape {tuple(images.shape)}; expected {expected}: return output.permute(0, 3, 1, 2)"
            )
        if found.ndim == 4 and found.shape[0] != images.shape[0]:
            raise UserError(
                f"{self.settings.target} returns {found.shape[0]} maps for {images.shape[0]} images (a tensor of shape"
                f" {tuple(found.shape)}): return one for each image of the batch. A traced module must be traced with a"
                " batch of any size"
            )
        if not fits or found.shape[0] != images.shape[0]:
            raise UserError(
                f"{self.settings.target} returns a tensor of shape {tuple(found.shape)} for images of shape"
                f" {tuple(images.shape)}; expected {expected}: correct the module, its options or output_key, or set"
                f" {'class_channels' if classes > 1 else 'foreground'}"
            )
        return found if channels is None or classes == 1 else found[:, list(channels)]

    def _foreground(self, found: Tensor, probabilities: bool) -> Tensor:
        """Logits (N,1,h,w) of the foreground, from one channel or several."""
        target, number = self.settings.target, found.shape[1]
        if number == 1:
            logits = _logit(found, target) if probabilities else found
            return -logits if self.settings.foreground == 0 else logits
        channel = 1 if self.settings.foreground is None else self.settings.foreground
        own = found[:, channel : channel + 1]
        if probabilities:
            return _logit(own, target)
        others = [other for other in range(number) if other != channel]
        return own - (found[:, others] if number == 2 else found[:, others].logsumexp(1, keepdim=True))

    def _picked(self, output: Any) -> Tensor:
        key = self.settings.output_key
        try:
            found = output
            for one in () if key is None else key if isinstance(key, tuple) else (key,):
                found = _item(found, one)
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(
                f"{self.settings.target} returns {_names(output)}, without output_key {_shown(key)}: correct output_key"
            ) from error
        if not isinstance(found, Tensor):
            where = "" if key is None else f" at output_key {_shown(key)}"
            raise UserError(
                f"{self.settings.target} returns {_names(found)}{where}, expected a tensor: {_choice(found, key)}"
            )
        return found


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


def _item(output: Any, key: str | int) -> Any:
    if isinstance(key, str) and not isinstance(output, dict) and hasattr(output, key):
        return getattr(output, key)
    return output[key]


def _shown(key: Any) -> str:
    return str(list(key)) if isinstance(key, tuple) else repr(key)


def _choice(output: Any, key: Any) -> str:
    """How to get at the map in an output that is no tensor, below the keys that are set."""
    above = [] if key is None else list(key) if isinstance(key, tuple) else [key]
    if isinstance(output, dict):
        names: list[Any] = list(output)
    elif isinstance(output, (list, tuple)):
        names = list(getattr(output, "_fields", range(len(output))))
    elif hasattr(output, "__dataclass_fields__"):
        names = list(output.__dataclass_fields__)
    else:
        return "correct `target`, or write a module that returns the map as a torch.Tensor"
    listed = ", ".join(map(repr, names[:10]))
    if above:
        return f"set output_key to {above} and the key of the map, one of {listed}"
    return f"set output_key to the map's key, one of {listed}"


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
