"""Whether an imported module does far better with pixels of another range, or with another of its channels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.segmentation.map_checks.fit import Truth, iou_at
from prn_pipeline.segmentation.map_checks.readings import Reading, as_stated
from prn_pipeline.segmentation.map_checks.verdict import Finding, compared, contradiction
from prn_pipeline.segmentation.module_settings import MEAN, STD, Normalisation

logger = logging.getLogger(__name__)

#: IoU from which nothing is tried: each trial takes forward passes.
GOOD = 0.8
#: Images of each trial.
IMAGES = 8
#: Gain of IoU at which another range of pixels stops a run; a weak model may gain less by chance.
FAR = 0.2
#: Channels that are tried as foreground.
MOST_CHANNELS = 16
#: Ranges of pixels that modules are trained with: ImageNet's, 0 .. 1, -1 .. 1, 0 .. 255, and 0 .. 255 without the mean.
RANGES: tuple[dict[str, Any], ...] = (
    {"divide_by": 255, "mean": MEAN, "std": STD},
    {"divide_by": 255, "mean": (0, 0, 0), "std": (1, 1, 1)},
    {"divide_by": 255, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
    {"divide_by": 1, "mean": (0, 0, 0), "std": (1, 1, 1)},
    {"divide_by": 1, "mean": (123.675, 116.28, 103.53), "std": (1, 1, 1)},
)

MapsOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]


@runtime_checkable
class AdjustableNetwork(Protocol):
    """A network whose settings can be tried: an imported module."""

    settings: Any

    def with_settings(self, **changes: Any) -> AbstractContextManager[None]:
        """Other values of some settings for a while."""
        ...

    def channels_of_output(self, size: int) -> int:
        """Channels that it returns for samples of side `size`, before foreground or classes are chosen."""
        ...


def other_inputs(
    source: AdjustableNetwork,
    channels: int,
    what: str,
    stated: Reading,
    rows: NDArray[np.int64],
    truths: Sequence[Truth],
    maps_of: MapsOf,
) -> Iterator[Finding]:
    """Findings about settings of a module with which its maps fit better.

    Args:
        source: the module.
        channels: channels that it returns.
        what: the maps, for the message.
        stated: fit of the maps as the settings are.
        rows: images that are compared.
        truths: their true masks, one per class.
        maps_of: logits (n, C, s, s) of images.
    """
    if not stated.iou < GOOD:
        return
    some = np.unique(np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).round().astype(int))
    chosen = [Truth(truth.foreground[some], truth.weight[some]) for truth in truths]
    usual = as_stated(maps_of(rows[some]), chosen)

    def tried(changes: dict[str, Any], setting: str) -> Iterator[Reading]:
        try:
            with source.with_settings(**changes):
                maps = maps_of(rows[some])
        except Exception as error:  # pixels of a range that the module was not made for: it may raise anything
            logger.debug("%s was not tried: %s", setting, error)
            return
        yield as_stated(maps, chosen)._replace(words=f"with {setting}", setting=setting)

    what = f"{what}, compared on {len(some)},"
    if len(truths) == 1:
        used = 1 if source.settings.foreground is None else source.settings.foreground
        others = [one for one in range(min(channels, MOST_CHANNELS)) if one != used]
        readings = [found for one in others for found in tried({"foreground": one}, f"`foreground: {one}`")]
        if channels > 2 and (contradicted := contradiction(what, usual, readings)):
            yield contradicted
            return
    ranges = [
        found for one in _others(source.settings.normalisation) for found in tried({"normalisation": one}, _words(one))
    ]
    best = max(ranges, key=lambda one: (round(one.iou, 2), _usual_iou(one, chosen)), default=None)
    if best is not None and compared(usual, best) is not None:
        found = contradiction(what, usual, [best])
        assert found is not None
        yield found._replace(verdict="far" if best.iou - usual.iou >= FAR else "notable")


def _usual_iou(reading: Reading, truths: Sequence[Truth]) -> float:
    """IoU at p > 0.5, which tells ranges apart that differ by a threshold; 0 for several classes."""
    return iou_at(reading.maps[:, 0], truths[0], 0.0) if reading.maps is not None and len(truths) == 1 else 0.0


def _others(stated: Normalisation) -> Iterator[Normalisation]:
    """Other ranges, and the stated one with its channels reversed; for RGB only."""
    if len(stated.mean) != 3:
        return
    reverse: dict[str, Any] = {"channels": "rgb" if stated.channels == "bgr" else "bgr"}
    for one in (*(stated.model_dump() | pixels for pixels in RANGES), stated.model_dump() | reverse):
        other = Normalisation.model_validate(one)
        if other != stated:
            yield other


def _words(normalisation: Normalisation) -> str:
    mean, std = ([float(f"{value:.6g}") for value in values] for values in (normalisation.mean, normalisation.std))
    scale = f"{normalisation.divide_by:g}"
    return f"`normalisation: {{divide_by: {scale}, mean: {mean}, std: {std}, channels: {normalisation.channels}}}`"
