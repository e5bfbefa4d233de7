"""`kind: module`: any torch module that can be imported, used unchanged or trained here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.imported_code import factory_of
from prn_pipeline.segmentation.input_size import at_input_size
from prn_pipeline.segmentation.map_checks.network_output import instability, output_objection
from prn_pipeline.segmentation.module_output import as_logits, picked
from prn_pipeline.segmentation.module_settings import ModuleSettings, Normalisation
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.weights import load_weights
from prn_pipeline.training.inference import DEFAULT_TILES

logger = logging.getLogger(__name__)


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
        images = self._blank(size)
        try:
            with self._evaluated():
                self(images)
        except UserError:
            raise
        except Exception as error:  # the imported module may raise anything
            shown = " x ".join(map(str, self.input_shape or images.shape[-2:]))
            key = "input_size" if self.input_shape else "image_size (or augmentation.crop) of the data set"
            raise UserError(
                f"{self.settings.target} fails on an image of {shown} pixels ({type(error).__name__}: {error}):"
                f" correct {key}, or options and normalisation of the base model"
            ) from error

    def check_output(self, images: Tensor) -> None:
        """Raise UserError if the module's output is not what `output` says: see `output_objection`."""
        if self.settings.check == "skip":
            return
        side = max(images.shape[-2:]) if self.sees_whole_maps else DEFAULT_TILES.size
        seen, trained = images[..., :side, :side].to(self.mean.device), not self.settings.train
        with self._evaluated():
            reason = output_objection(self.network, self.raw_output, seen, self.settings.output, trained)
            if reason is None and trained:
                reason = instability(self, seen)
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

    def channels_of_output(self, size: int) -> int:
        """Channels that the module returns for samples of side `size`."""
        with self._evaluated():
            return self.raw_output(self._blank(size)).shape[1]

    def raw_output(self, images: Tensor) -> Tensor:
        """What the module itself returns for images (N,3,H,W) of values 0 .. 255: its map, any channels, (N,C,h,w)."""
        values = at_input_size(pixel_values(images), self.input_shape)
        if self.settings.normalisation.channels == "bgr":
            values = values.flip(1)
        found = picked(self.network((values - self.mean) / self.std), self.settings)
        return found.unsqueeze(1) if found.ndim == 3 else found

    def _blank(self, size: int) -> Tensor:
        """A black sample of side `size`, or one of the tiles that it is cut into."""
        side = size if self.sees_whole_maps else min(size, DEFAULT_TILES.size)
        return torch.zeros(1, self.mean.shape[1], side, side, dtype=torch.uint8, device=self.mean.device)

    @contextmanager
    def _evaluated(self) -> Iterator[None]:
        """Eval mode without gradients for a while."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(training)

    def _normalise(self, expected: Normalisation) -> None:
        scale = torch.tensor(expected.divide_by)
        for name, values in (("mean", expected.mean), ("std", expected.std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1) * scale, persistent=False)

    def _logits(self, images: Tensor) -> Tensor:
        logits = as_logits(self.raw_output(images), images.shape, self.settings)
        if logits.shape[-2:] != images.shape[-2:]:
            logits = F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return logits


def _built(settings: ModuleSettings) -> nn.Module:
    make = factory_of(settings.target)
    try:
        network = make(**settings.options)
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
