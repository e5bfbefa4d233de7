"""The inputs of the small networks other than the base logits: their names and their order."""

from __future__ import annotations

from typing import Literal

RefinerInput = Literal["tta", "tta_scales", "features", "images", "several_maps"]

#: The order of a refiner's arguments, independent of the order in its settings.
INPUT_ORDER: tuple[RefinerInput, ...] = ("tta", "tta_scales", "features", "images", "several_maps")


def in_order(inputs: tuple[RefinerInput, ...]) -> tuple[RefinerInput, ...]:
    """The same inputs, each once, in the order of `INPUT_ORDER`, so that equivalent settings compare equal."""
    return tuple(name for name in INPUT_ORDER if name in inputs)
