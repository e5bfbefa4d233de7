"""`kind: smp`: normalisation and a segmentation-models-pytorch network in one module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.input_size import at_input_size, stretched_back
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.normalisation import statistics
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.unused_layers import drop_unused_layers


class BaseModel(NetworkSource):
    """RGB images to logits: one map for foreground, or one per class.

    Args:
        settings: architecture and encoder.
        pretrained: download `settings.encoder_weights`; False if the caller loads weights.

    Raises:
        UserError: unknown architecture or encoder, or options that the architecture does not accept.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: BaseModelSettings, pretrained: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.network = _network(settings, pretrained)
        mean, std = statistics(settings.channels)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255 -> logits (N,C,H,W), C = `settings.classes`."""
        values = at_input_size(pixel_values(images), self.input_shape)
        logits: Tensor = self.network((values - self.mean) / self.std)
        return stretched_back(logits, (images.shape[-2], images.shape[-1]), self.input_shape)

    def with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`forward`, and the input of the segmentation head: (N,F,h,w), at the resolution of the decoder.

        With a fixed input they are stretched to half the height and width of the images.
        """
        captured: list[Tensor] = []
        hook = self.network.segmentation_head.register_forward_pre_hook(lambda _, inputs: captured.append(inputs[0]))
        try:
            logits, half = self(images), (images.shape[-2] // 2, images.shape[-1] // 2)
            return logits, stretched_back(captured[0], half, self.input_shape)
        finally:
            hook.remove()

    def check_size(self, size: int) -> None:
        """Raise UserError, with sizes that work, if the network does not support samples of side `size`."""
        if getattr(self.network, "requires_divisible_input_shape", True):
            stride = int(getattr(self.network.encoder, "output_stride", 32))
            name = f"{self.settings.architecture} with encoder {self.settings.encoder}"
            check_stride(name, stride, size, self.settings.input_size)


def check_stride(name: str, stride: int, size: int, input_size: int | None = None) -> None:
    """Raise UserError, with sizes that work, if the side that a network sees is not a multiple of `stride`.

    Args:
        name: of the network.
        stride: of its coarsest features.
        size: side of samples.
        input_size: side of the network's fixed input; None for the side of samples.
    """
    side = size if input_size is None else input_size
    if side % stride:
        low = max(stride, side // stride * stride)
        key = "image_size (or augmentation.crop)" if input_size is None else "its input_size"
        raise UserError(
            f"{name} needs images whose side is a multiple of {stride}; {key} is {side}: use {low} or {low + stride}"
        )


def encoder_of(name: str, weights: str | None, depth: int, channels: int) -> Any:
    """An encoder of segmentation-models-pytorch, which returns features of stride 1, 2, 4, ... 2 ** depth.

    Raises:
        UserError: the encoder is unknown, or its weights cannot be downloaded.
    """
    import segmentation_models_pytorch as smp

    _check_encoder(name)
    with torch.inference_mode(False), _library_errors(f"encoder {name} with weights {weights}", weights):
        encoder = smp.encoders.get_encoder(name, in_channels=channels, depth=depth, weights=weights)
        drop_unused_layers(encoder, channels)
    return encoder


def _network(settings: BaseModelSettings, pretrained: bool) -> Any:
    import segmentation_models_pytorch as smp  # imported here because loading it takes seconds

    architectures = {name.lower(): name for name in architecture_names()}
    if settings.architecture.lower() not in architectures:
        raise UserError(
            f"unknown architecture {settings.architecture!r}; there are {', '.join(sorted(architectures.values()))}"
        )
    _check_encoder(settings.encoder)
    weights = settings.encoder_weights if pretrained else None
    description = (
        f"{settings.architecture} with encoder {settings.encoder}, weights {settings.encoder_weights} and options"
        f" {settings.options}"
    )
    # Under `inference_mode` weights have no gradient, which would hide what is unused.
    with torch.inference_mode(False), _library_errors(description, weights):
        network = smp.create_model(
            settings.architecture,
            encoder_name=settings.encoder,
            encoder_weights=weights,
            in_channels=settings.channels,
            classes=settings.classes,
            **settings.options,
        )
        drop_unused_layers(network.encoder, settings.channels)
    return network


def _check_encoder(name: str) -> None:
    import segmentation_models_pytorch as smp

    if not name.startswith("tu-") and name not in smp.encoders.get_encoder_names():
        raise UserError(
            f"unknown encoder {name!r}; there are {', '.join(sorted(smp.encoders.get_encoder_names()))}, and every timm"
            " model with the prefix tu-"
        )


@contextmanager
def _library_errors(description: str, weights: str | None) -> Iterator[None]:
    """Turn errors of the library during construction into UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"weights {weights!r} of {description} could not be downloaded ({error}): check the connection, or set"
            " encoder_weights: null to start from random weights"
        ) from error
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{description} cannot be built ({error}): correct the base model's settings") from error


def architecture_names() -> list[str]:
    """Architectures of the installed library."""
    import segmentation_models_pytorch as smp

    return [architecture.__name__ for architecture in smp.MODEL_ARCHITECTURES_MAPPING.values()]
