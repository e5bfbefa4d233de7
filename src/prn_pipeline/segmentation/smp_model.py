"""The base model: normalisation and a segmentation-models-pytorch network in one module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.normalisation import statistics
from prn_pipeline.segmentation.settings import BaseModelSettings


class BaseModel(NetworkSource):
    """RGB images to logits: one map of foreground, or one a class.

    Args:
        settings: architecture and encoder.
        pretrained: fetch `settings.encoder_weights`; False when weights are about to be loaded anyway.

    Raises:
        UserError: unknown architecture or encoder, or options that the architecture refuses.
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
        return self.network((pixel_values(images) - self.mean) / self.std)

    def with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`forward`, and the decoder's last map (N,C,h,w) that the logits were made of, at the decoder's resolution."""
        caught: list[Tensor] = []
        hook = self.network.segmentation_head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            return self(images), caught[0]
        finally:
            hook.remove()

    def check_size(self, size: int) -> None:
        """Raise UserError, with sizes that fit, when samples of side `size` do not fit the network."""
        if getattr(self.network, "requires_divisible_input_shape", True):
            stride = int(getattr(self.network.encoder, "output_stride", 32))
            check_stride(f"{self.settings.architecture} with encoder {self.settings.encoder}", stride, size)


def check_stride(name: str, stride: int, size: int) -> None:
    """Raise UserError, with sizes that fit, where `size` is no multiple of `stride`."""
    if size % stride:
        low = max(stride, size // stride * stride)
        raise UserError(
            f"{name} takes images whose side is a multiple of {stride}; image_size (or augmentation.crop) is {size}:"
            f" use {low} or {low + stride}"
        )


def encoder_of(name: str, weights: str | None, depth: int, channels: int) -> Any:
    """An encoder of segmentation-models-pytorch alone, which gives maps of stride 1, 2, 4, ... 2 ** depth.

    Raises:
        UserError: there is no such encoder, or its weights cannot be had.
    """
    import segmentation_models_pytorch as smp

    _check_encoder(name)
    with _library_errors(f"encoder {name} with weights {weights}", weights):
        return smp.encoders.get_encoder(name, in_channels=channels, depth=depth, weights=weights)


def _network(settings: BaseModelSettings, pretrained: bool) -> Any:
    import segmentation_models_pytorch as smp  # takes seconds: only who builds a model waits for it

    architectures = {name.lower(): name for name in architecture_names()}
    if settings.architecture.lower() not in architectures:
        raise UserError(
            f"unknown architecture {settings.architecture!r}; there are {', '.join(sorted(architectures.values()))}"
        )
    _check_encoder(settings.encoder)
    weights = settings.encoder_weights if pretrained else None
    whole = (
        f"{settings.architecture} with encoder {settings.encoder}, weights {settings.encoder_weights} and options"
        f" {settings.options}"
    )
    with _library_errors(whole, weights):
        return smp.create_model(
            settings.architecture,
            encoder_name=settings.encoder,
            encoder_weights=weights,
            in_channels=settings.channels,
            classes=settings.classes,
            **settings.options,
        )


def _check_encoder(name: str) -> None:
    import segmentation_models_pytorch as smp

    if not name.startswith("tu-") and name not in smp.encoders.get_encoder_names():
        raise UserError(
            f"unknown encoder {name!r}; there are {', '.join(sorted(smp.encoders.get_encoder_names()))}, and every timm"
            " model with the prefix tu-"
        )


@contextmanager
def _library_errors(what: str, weights: str | None) -> Iterator[None]:
    """What the library raises on the way to a network, in words."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"weights {weights!r} of {what} could not be downloaded ({error}): check the connection, or set"
            " encoder_weights: null to start from random weights"
        ) from error
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{what} cannot be built: {error}") from error


def architecture_names() -> list[str]:
    """Architectures of the installed library."""
    import segmentation_models_pytorch as smp

    return [architecture.__name__ for architecture in smp.MODEL_ARCHITECTURES_MAPPING.values()]


class SmpKind:
    """See `protocol.MapSourceKind`."""

    name = "smp"
    settings = BaseModelSettings

    def build(self, settings: BaseModelSettings, pretrained: bool) -> BaseModel:
        """The network that settings describe."""
        return BaseModel(settings, pretrained)


SMP = SmpKind()
