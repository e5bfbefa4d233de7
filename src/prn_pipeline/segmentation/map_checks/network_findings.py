"""What a comparison of a network's maps with the true masks finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.map_checks.findings import compared_with_others, hint_of_logarithms, of_channels
from prn_pipeline.segmentation.map_checks.fit import Truth
from prn_pipeline.segmentation.map_checks.judgement import judged
from prn_pipeline.segmentation.map_checks.other_inputs import AdjustableNetwork, other_inputs
from prn_pipeline.segmentation.map_checks.readings import as_stated, otherwise_turned
from prn_pipeline.segmentation.map_checks.sampling import reduced_maps
from prn_pipeline.segmentation.map_checks.verdict import Finding
from prn_pipeline.segmentation.protocol import MapCache, MapSource


def of_network(
    source: MapSource, cache: MapCache, samples: Samples, rows: NDArray[np.int64], truths: Sequence[Truth]
) -> Iterator[Finding]:
    """Findings about the maps of some images, the gravest of a kind first.

    Args:
        source: the network.
        cache: planned maps of all samples.
        samples: one row per image, with images.
        rows: images that are compared.
        truths: their true masks, one per class.
    """
    side, settings = truths[0].weight.shape[-1], source.settings
    maps, low, high = network_maps(cache, samples, rows, len(truths), side)
    stated = as_stated(maps, truths)
    what = f"the base model's maps of {len(rows)} images"
    if not settings.trained_here:
        has_channels = hasattr(settings, "foreground")
        others = list(otherwise_turned(maps, truths, None))
        channels = 1
        if isinstance(source, AdjustableNetwork):
            channels = source.channels_of_output(max(samples.canvas.shape))
        if len(truths) > 1 or channels <= 2:  # 1 - p is no channel of three
            others += of_channels(maps, truths, settings, has_channels)
        found = list(compared_with_others(what, stated, maps, truths, others))
        if isinstance(source, AdjustableNetwork) and not any(finding.verdict == "far" for finding in found):

            def maps_of(some: NDArray[np.int64]) -> NDArray[np.float32]:
                return network_maps(cache, samples, some, len(truths), side)[0]

            found = [*other_inputs(source, channels, what, stated, rows, truths, maps_of), *found]
        yield from found
    hint = hint_of_logarithms(high, "return") if hasattr(settings, "output") else ("", False)
    yield judged(what, stated, maps, (low, high), truths, hint)


def network_maps(
    cache: MapCache, samples: Samples, rows: NDArray[np.int64], classes: int, side: int
) -> tuple[NDArray[np.float32], float, float]:
    """Logits (n, C, side, side) of images without padding, and the lowest and highest before they were reduced."""
    wanted = (rows[:, None] * classes + np.arange(classes)).ravel()
    make: Any = cache.probe or cache.make
    logits = np.concatenate([batch["logits"] for batch in make(wanted)]).astype(np.float32)
    maps = reduced_maps(logits.reshape(len(rows), classes, *logits.shape[1:]), samples, rows, side)
    return maps, float(logits.min()), float(logits.max())
