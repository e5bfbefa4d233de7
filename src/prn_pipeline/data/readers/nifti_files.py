"""NIfTI files of one slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.errors import UserError


def nifti_slice(path: Path) -> NDArray[np.generic]:
    """The only slice of a NIfTI file: (H, W), or (H, W, 3) of colours. Needs the package nibabel.

    Raises:
        UserError: there are several slices.
        Exception: whatever nibabel raises for a damaged file.
    """
    width, height, *others = [*map(int, _opened(path).shape), 1, 1]
    slices = [side for side in others if side > 1]
    if slices:  # before anything is decoded
        shape = " x ".join(map(str, (width, height, *slices)))
        bands = f"; if its third axis holds the bands of one image, set `bands: {{count: {slices[0]}}}`"
        raise UserError(
            f"{path}: a volume of {shape} values, expected one slice. Save each slice that is meant as a file of its"
            f" own{bands if len(slices) == 1 else ''}."
        )
    return nifti_array(path)


def nifti_array(path: Path) -> NDArray[np.generic]:
    """The values of a NIfTI file, rescaled as it says: (H, W, ...); axes of one value behind the second are left out.

    The first axis of the file is that of the columns.
    """
    stored = np.asanyarray(_opened(path).dataobj)
    if stored.dtype.names:  # colours
        stored = np.stack([stored[name] for name in ("R", "G", "B")], axis=-1)
    while stored.ndim < 2:
        stored = stored[..., None]
    others = tuple(axis for axis in range(2, stored.ndim) if stored.shape[axis] == 1)
    return np.ascontiguousarray(np.swapaxes(stored.squeeze(others), 0, 1))


def _opened(path: Path) -> Any:
    import nibabel

    return nibabel.load(path)
