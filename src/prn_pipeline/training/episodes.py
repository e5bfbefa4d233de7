"""Few-shot training batches: every query with support samples of its category."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from prn_pipeline.training.samples import StoredSamples


class Episodes(Dataset[dict[str, Tensor]]):
    """Queries from a set of samples, each with K support samples from the same set.

    A sample of `samples` has "inputs" (3,S,S) and "masks" (S,S). An episode adds "support_images" (K,3,S,S) and
    "support_masks" (K,S,S); each support sample is augmented independently.

    Args:
        samples: n samples, each of which is a query and may support others.
        categories: category of each sample, (n,).
        shots: number of support samples, K.
        fixed: indices of the support samples of each query, int (n,K); None: draw them under torch's seed whenever a
            query is loaded.
    """

    def __init__(
        self, samples: StoredSamples, categories: np.ndarray, shots: int, fixed: np.ndarray | None = None
    ) -> None:
        self._samples = samples
        self._shots = shots
        self._fixed = fixed
        members = {category: np.flatnonzero(categories == category) for category in set(categories.tolist())}
        self._others = [members[category][members[category] != query] for query, category in enumerate(categories)]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Load episodes with one read for all queries and one for all support samples."""
        supports = [self._support(index) for index in indices]
        queries = self._samples.__getitems__(indices)
        drawn = self._samples.__getitems__([index for support in supports for index in support])
        for number, query in enumerate(queries):
            own = drawn[number * self._shots : (number + 1) * self._shots]
            query["support_images"] = torch.stack([sample["inputs"] for sample in own])
            query["support_masks"] = torch.stack([sample["masks"] for sample in own])
        return queries

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]

    def _support(self, index: int) -> list[int]:
        if self._fixed is not None:
            return [int(other) for other in self._fixed[index]]
        others = self._others[index]
        return [int(others[position]) for position in torch.randperm(len(others))[: self._shots]]
