"""Training batches of episodes: every query with others of its category, drawn anew each time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from prn_pipeline.training.samples import StoredSamples


class Episodes(Dataset[dict[str, Tensor]]):
    """Queries of a set of samples, with their support from the same set.

    A sample of `samples` has "inputs" (3,S,S) and "masks" (S,S); an episode has besides "support_images" (K,3,S,S) and
    "support_masks" (K,S,S), each augmented for itself.

    Args:
        samples: queries and supports.
        categories: of each of them.
        shots: K.
        fixed: supports of each, int (n,K); None: drawn anew, under torch's seed, each time a query comes up.
    """

    def __init__(
        self, samples: StoredSamples, categories: np.ndarray, shots: int, fixed: np.ndarray | None = None
    ) -> None:
        self._samples = samples
        self._shots = shots
        self._fixed = fixed
        places = {category: np.flatnonzero(categories == category) for category in set(categories.tolist())}
        self._others = [places[category][places[category] != query] for query, category in enumerate(categories)]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """One read for all queries of the batch, one for all supports."""
        supports = [self._support(index) for index in indices]
        queries = self._samples.__getitems__(indices)
        found = self._samples.__getitems__([place for support in supports for place in support])
        for number, query in enumerate(queries):
            own = found[number * self._shots : (number + 1) * self._shots]
            query["support_images"] = torch.stack([sample["inputs"] for sample in own])
            query["support_masks"] = torch.stack([sample["masks"] for sample in own])
        return queries

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]

    def _support(self, index: int) -> list[int]:
        if self._fixed is not None:
            return [int(place) for place in self._fixed[index]]
        others = self._others[index]
        return [int(others[place]) for place in torch.randperm(len(others))[: self._shots]]
