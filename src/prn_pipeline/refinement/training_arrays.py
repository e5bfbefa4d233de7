"""The arrays of a training sample that all refiners share."""

from __future__ import annotations

from prn_pipeline.refinement.protocol import RefinerSettings

#: Key in a sample -> name of the stored array.
SHARED = {"inputs": "logits", "pseudo_labels": "labels", "masks": "masks"}


def training_arrays(settings: RefinerSettings) -> dict[str, str]:
    """`SHARED`, and the refiner's other inputs under their own names."""
    return SHARED | {name: name for name in settings.arrays[1:]}
