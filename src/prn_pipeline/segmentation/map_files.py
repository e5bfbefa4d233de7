"""Maps that another program wrote, in place of a base model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.readers.listing import require_dataset_folder
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.segmentation.maps import one_vs_rest
from prn_pipeline.segmentation.settings import MapFilesSettings


def folder_of_maps(described: MapFilesSettings, dataset: str, folder: str | None, data_root: Path) -> MapFolder:
    """The maps that a base model of kind maps stands for.

    Args:
        described: the base model.
        dataset: name of the data set.
        folder: of the data set, below `data_root`; None: its name.
        data_root: folder of the data sets.

    Raises:
        UserError: there are none.
    """
    place = require_dataset_folder(dataset, data_root, folder or dataset)
    return MapFolder(place, described.folder, described.name, described.values)


def maps_of(folder: MapFolder, sample_id: str, native: tuple[int, int], classes: int) -> Tensor:
    """The maps of one image, as they are stored: logits (C,h,w), each of a class against the others.

    Raises:
        UserError: see `MapFolder.logits`.
    """
    return as_maps(folder.logits(sample_id, native, classes), classes, folder.holds_logits)


def as_maps(logits: NDArray[np.float32], classes: int, of_softmax: bool) -> Tensor:
    """Decoded logits (h,w) or (C,h,w) -> (C,h,w), each of a class against the others.

    Args:
        logits: as `map_decoding.decode_map` gives them.
        classes: C.
        of_softmax: with several classes they are logits of a softmax, and not yet of a class against the others.
    """
    maps = torch.from_numpy(logits)
    if classes > 1 and of_softmax:
        maps = one_vs_rest(maps[None])[0]
    return maps.reshape(classes, *maps.shape[-2:])
